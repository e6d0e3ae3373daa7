//! A file of ciphertexts (`.vct`) as it is carried by hand, written and read back piece by piece:
//! `cargo run --release -p veilray-protocol --example container`.

use std::error::Error;
use veilray_protocol::container::{Head, Kind, Reader, write_ciphertext, write_head};

/// Most bytes of one ciphertext that this reader takes.
const LIMIT: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    // The head says for which model and under which keys the images were encrypted.
    let head = Head {
        kind: Kind::Request,
        model: "nih14-f8".into(),
        manifest_sha256: "a1".repeat(32),
        params: "n14".into(),
        keys_sha256: "b2".repeat(32),
        images: 2,
        ciphertexts_per_image: 1,
    };
    let mut file = Vec::new();
    write_head(&mut file, &head)?;
    for image in 0..head.images {
        write_ciphertext(&mut file, &vec![7; 100 + image])?;
    }
    println!("{} bytes for {} images", file.len(), head.images);

    // The reader holds one ciphertext at a time, and notices a file that ends early or goes on.
    let mut reader = Reader::open(file.as_slice())?;
    println!("{:?} for {}, {} images", reader.head().kind, reader.head().model, reader.head().images);
    while let Some(ciphertext) = reader.next_ciphertext(LIMIT)? {
        println!("a ciphertext of {} bytes", ciphertext.len());
    }

    let mut cut = Reader::open(file.get(..file.len() - 1).unwrap_or_default())?;
    let refused = std::iter::from_fn(|| cut.next_ciphertext(LIMIT).transpose()).find_map(Result::err);
    println!("cut by one byte: {}", refused.map_or("not noticed".into(), |why| why.to_string()));
    Ok(())
}
