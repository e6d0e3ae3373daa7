//! How the values of a sum and the size of the weights decide whether TFHE answers rightly.
//!
//! ```text
//! cargo run --release -p veilray-fcnn-tfhe --features tfhe --example noise_budget
//! ```

use veilray_fcnn_tfhe::{EncryptedFcnn, Fcnn, LOGITS, NoiseBudget, P2048, Parts, Result};

/// A network of one neuron over 784 inputs, of whose weights `used` are 1 and the others 0.
fn network(modulus: u32, used: usize) -> Result<Fcnn> {
    Fcnn::new(Parts {
        largest_input: 3,
        modulus,
        weights: (0..784).map(|at| i8::from(at < used)).collect(),
        biases: vec![0],
        table: Fcnn::sine(modulus, 3),
        output: vec![1; LOGITS],
        output_biases: vec![0; LOGITS],
    })
}

fn main() -> Result<()> {
    println!("{:>8} {:>8} {:>10} {:>10} {:>14}", "values", "weights", "log2 sum", "log2 round", "log2 failure");
    for modulus in [26, 52, 104, 208] {
        for used in [49, 196, 784] {
            let NoiseBudget { sum, switch, log2_failure, .. } = NoiseBudget::estimate(&network(modulus, used)?, &P2048);
            // Standard deviations, as parts of the torus.
            let [sum, switch] = [sum, switch].map(|variance| variance.sqrt().log2());
            println!("{modulus:>8} {used:>8} {sum:>10.2} {switch:>10.2} {log2_failure:>14.0}");
        }
    }
    // A network that fails too often is refused, with what to change.
    if let Err(refused) = EncryptedFcnn::new(network(208, 784)?, &P2048) {
        println!("\n{refused}");
    }
    Ok(())
}
