//! One image through a network on ciphertexts, from keys to logits, and the same in clear beside it.
//!
//! ```text
//! cargo run --release -p veilray-classifier --example encrypted_inference
//! ```

use veilray_base::Rng;
use veilray_classifier::execute::{EncryptedCircuit, client};
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::pack::{PackOptions, pack};
use veilray_classifier::spec::Shape;
use veilray_classifier::{networks, reference, weights::Weights};
use veilray_he::{Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, ParamsLiteral, SecretKey};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A network of two convolutions on latents of 2 x 16 x 16 values, with random weights.
    let network = networks::named("veilnet-xs", Shape::new(2, 16, 16), 3)?;
    let weights = Weights::random(&network, 1)?;
    let params = ParamsLiteral::named("n13")?.check()?;

    // The provider: network and weights become one circuit over slots, encoded once.
    let circuit = fold(&network, &weights, &FoldOptions::default())?;
    let packed = pack(&circuit, &PackOptions::new(&params, &circuit))?;
    let server = EncryptedCircuit::new(packed, &params)?;

    // The client: a secret key that it keeps, and evaluation keys that it sends.
    let secret = SecretKey::generate(&params)?;
    let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, server.key_spec())?)?;
    let mut rng = Rng::new(1, "example");
    let image: Vec<f64> = (0..network.input.len()).map(|_| rng.normal()).collect();
    let sent = client::encrypt(server.circuit(), &params, &Encryptor::new(&secret), &image)?;

    // The server sees ciphertexts alone; the client decrypts the reply.
    let reply = server.run(&sent, &keys)?;
    let logits = client::decrypt_logits(server.circuit(), &Decryptor::new(&secret), &reply, &client::Bounds::default())?;
    let clear = reference::evaluate(&network, &weights, &image)?;
    println!("label  encrypted      clear");
    for (label, (encrypted, clear)) in logits.iter().zip(&clear).enumerate() {
        println!("{label:>5} {encrypted:>10.5} {clear:>10.5}");
    }
    Ok(())
}
