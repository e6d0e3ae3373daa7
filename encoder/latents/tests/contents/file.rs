//! A file of latents taken apart, to be written again with a change.

use std::path::Path;
use veilray_latents::tables::{self, Attribute, Element, Rows};

/// What a file of latents of 3 × 4 × 5 consists of, to be written again with a change.
pub(crate) struct Contents {
    pub(crate) attributes: Vec<(String, Attribute)>,
    pub(crate) texts: Vec<(String, Vec<String>)>,
    pub(crate) bytes: Vec<(String, Vec<usize>, Vec<u8>)>,
    pub(crate) latents: Option<Vec<f32>>,
}

impl Contents {
    pub(crate) fn of(path: &Path) -> Self {
        let file = tables::Reader::open(path).unwrap();
        let names = ["format", "encoder", "encoder_digest", "dataset", "dataset_digest", "format_version", "flips"];
        let mut contents = Self {
            attributes: names.iter().map(|name| (name.to_string(), file.attribute(name).unwrap())).collect(),
            texts: vec![],
            bytes: vec![],
            latents: None,
        };
        for name in file.names() {
            let layout = file.layout(&name).unwrap();
            match layout.element {
                Element::Text => contents.texts.push((name.clone(), file.texts(&name).unwrap())),
                Element::U8 => contents.bytes.push((name.clone(), layout.shape, file.numbers(&name).unwrap())),
                _ => contents.latents = Some(file.numbers(&name).unwrap()),
            }
        }
        contents
    }

    pub(crate) fn attribute(&mut self, name: &str, value: Option<Attribute>) {
        self.attributes.retain(|(known, _)| known != name);
        self.attributes.extend(value.map(|value| (name.to_string(), value)));
    }

    pub(crate) fn write(&self, path: &Path) {
        let mut file = tables::Writer::create(path).unwrap();
        self.attributes.iter().for_each(|(name, value)| file.attribute(name, value.clone()).unwrap());
        self.texts.iter().for_each(|(name, texts)| file.texts(name, texts).unwrap());
        self.bytes.iter().for_each(|(name, shape, bytes)| file.numbers(name, shape, bytes).unwrap());
        if let Some(latents) = &self.latents {
            file.rows::<f32>("latents", &Rows { count: latents.len() / 60, shape: &[3, 4, 5], per_chunk: 64 }).unwrap();
            file.append("latents", latents).unwrap();
        }
        file.finish().unwrap();
    }
}
