//! Files of the experiments: arrays, latents and tables.

use crate::scratch;
use crate::seeds::{arrays, latents};
use crate::target::{Outcome, Target, said};
use veilray_latents::tables::{self, Element};
use veilray_latents::{Reader, Split};
use veilray_sweep::data::{Dataset, Spec};

pub(crate) const TARGETS: &[Target] = &[
    Target::binary("npz", npz, arrays::archives, 30),
    Target::binary("hdf5-latents", hdf5, latents::all, 12).mended(latents::mend),
    Target::text("dataset-toml", dataset, || Ok(vec![arrays::SPEC.into(), OTHER.into()]), 40),
    Target::text("labels-csv", labels, || Ok(vec![LABELS.into()]), 30),
];

/// A data set in a folder, with everything that a description may say.
const OTHER: &str = "name = 'drawn'\nassume = 'view=PA'\nlabels = [{ name = 'tb' }]\n";
const LABELS: &str = "file,split,patient_id,tb,site\nimages/0.png,train,a,0,north\nimages/1.png,val,b,1,\"so\"\"uth\"\n";

fn npz(bytes: &[u8]) -> Outcome {
    let file = scratch::file("drawn.npz", bytes)?;
    let spec = described(arrays::SPEC.as_bytes())?;
    let set = Dataset::open(file.parent().unwrap_or(&file), &spec).map_err(said)?;
    // An image is made of any levels, or refused.
    let _ = set.image(0);
    Ok(())
}

fn described(bytes: &[u8]) -> Result<Spec, String> {
    Spec::read(&scratch::file("dataset.toml", bytes)?).map_err(said)
}

fn dataset(bytes: &[u8]) -> Outcome {
    described(bytes).map(drop)
}

fn labels(bytes: &[u8]) -> Outcome {
    let file = scratch::file("labels.csv", bytes)?;
    let spec = described(OTHER.as_bytes())?;
    Dataset::open(file.parent().unwrap_or(&file), &spec).map(drop).map_err(said)
}

/// As latents, and as a table whatever it holds: every data set is read to its end.
fn hdf5(bytes: &[u8]) -> Outcome {
    let file = scratch::file("latents.h5", bytes)?;
    let table = table(&file);
    let latents = Reader::open(&file).map_err(said).and_then(|reader| {
        reader.read(0..reader.len()).map_err(said)?;
        reader.read_split(Split::Test).map(drop).map_err(said)
    });
    latents.or(table)
}

fn table(file: &std::path::Path) -> Outcome {
    let reader = tables::Reader::open(file).map_err(said)?;
    let mut outcome = Ok(());
    for name in ["format", "format_version", "encoder", "flips"] {
        let _ = reader.attribute(name);
    }
    for name in reader.names() {
        let read = reader.layout(&name).and_then(|layout| match layout.element {
            Element::U8 => reader.numbers::<u8>(&name).map(drop),
            Element::U32 => reader.numbers::<u32>(&name).map(drop),
            Element::I64 => reader.numbers::<i64>(&name).map(drop),
            Element::U64 => reader.numbers::<u64>(&name).map(drop),
            Element::F32 => reader.numbers::<f32>(&name).map(drop),
            Element::F64 => reader.numbers::<f64>(&name).map(drop),
            _ => reader.texts(&name).map(drop),
        });
        outcome = outcome.and(read.map_err(said));
    }
    outcome
}
