//! One image of small integers through a network under TFHE, from keys to logits; the answer is exact.
//!
//! ```text
//! cargo run --release -p veilray-fcnn-tfhe --features tfhe --example encrypted_image
//! ```

use veilray_base::Rng;
use veilray_fcnn_tfhe::{ClientKey, EncryptedFcnn, Fcnn, LOGITS, Parts, Result, TfheParams};

const INPUTS: usize = 784;
const HIDDEN: usize = 4;
const MODULUS: u32 = 52;

fn main() -> Result<()> {
    // A network of four hidden neurons with random small weights.
    let mut rng = Rng::new(1, "network");
    let mut draw = |count: usize, largest: i32, share: f64| -> Vec<i8> {
        let mut value = || (rng.below(2 * largest as usize + 1) as i32 - largest) as i8;
        (0..count).map(|at| if (at * 37 % 100) as f64 <= 100.0 * share { value() } else { 0 }).collect()
    };
    let network = Fcnn::new(Parts {
        largest_input: 3,
        modulus: MODULUS,
        weights: draw(INPUTS * HIDDEN, 1, 0.2),
        biases: vec![0; HIDDEN],
        table: Fcnn::sine(MODULUS, 3),
        output: draw(LOGITS * HIDDEN, 3, 1.0),
        output_biases: vec![0; LOGITS],
    })?;
    let image = draw(INPUTS, 3, 1.0);

    // The server refuses a network whose answers could be wrong more often than once in 2^64.
    let params = TfheParams::named("tfhe-768-2048")?;
    let server = EncryptedFcnn::new(network, &params)?;
    println!("an image fails with probability 2^{:.0}", server.budget().log2_failure);

    // The client keeps its key; the server gets a bootstrap key made from it.
    let client = ClientKey::generate(&params);
    let key = client.bootstrap_key().expand(&params)?;
    let sent = client.encrypt(&server.encoding(), &image)?;
    let reply = server.evaluate(&key, &sent)?;
    println!("{} bytes up, {} bytes down", sent.to_bytes().len(), reply.to_bytes().len());
    println!("encrypted {:?}", client.decrypt(&server.encoding(), &reply)?);
    println!("clear     {:?}", server.network().evaluate(&image)?);
    Ok(())
}
