//! One training step of an autoencoder and of a latent network, with `veilray-nn`'s operations and with stock candle's, in one run.
//!
//! ```text
//! cargo run --release -p veilray-bench --bin trainbench -- --json
//! ```
//!
//! Prints one JSON object a line (or a table without `--json`). Both sides start from the same weights and see the same images; the
//! run fails where their first losses differ by more than 1e-3 relative.

mod nets;

use candle_core::{Device, Tensor};
use candle_nn::optim::Optimizer;
use clap::{Parser, ValueEnum};
use nets::{Autoencoder, Backend, LatentNet, Ours, Stock};
use std::process::ExitCode;
use std::time::Instant;
use veilray_base::Rng;
use veilray_bench::{Result, exit, median};
use veilray_nn::{Optimiser, OptimiserConfig, ParamStore};

/// Times a training step with this project's operations beside stock candle's.
#[derive(Parser)]
struct Args {
    /// One JSON object a line in place of the table.
    #[arg(long)]
    json: bool,
    /// One network in place of both.
    #[arg(long)]
    only: Option<Net>,
    /// One side in place of both; its first loss is then not compared.
    #[arg(long)]
    side: Option<Side>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Net {
    Autoencoder,
    Latent,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Side {
    Ours,
    Stock,
}

fn main() -> ExitCode {
    exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    veilray_nn::memory::keep_pages();
    let only = |net| args.only.is_none_or(|only| only == net);
    let side = |side| args.side.is_none_or(|one| one == side);
    if only(Net::Autoencoder) {
        let rounds = Rounds { name: "autoencoder-256-f8", batch: 1, rounds: 3, ours_per_round: 3 };
        let mut rng = Rng::new(1, "images");
        let images = veilray_nn::normal_tensor(&mut rng, (rounds.batch, 1, 256, 256), &Device::Cpu)?;
        rounds.run(args.json, side, |backend, scope| {
            let net = Autoencoder::new(scope, backend)?;
            let images = images.clone();
            Ok(Box::new(move || Ok((net.forward(&images)? - &images)?.sqr()?.mean_all()?)))
        })?;
    }
    if only(Net::Latent) {
        let rounds = Rounds { name: "latent-cnn-32x32x4", batch: 64, rounds: 9, ours_per_round: 5 };
        let mut rng = Rng::new(2, "latents");
        let latents = veilray_nn::normal_tensor(&mut rng, (rounds.batch, 4, 32, 32), &Device::Cpu)?;
        let labels: Vec<f32> = (0..rounds.batch * 14).map(|_| f32::from(u8::from(rng.uniform() < 0.2))).collect();
        let labels = Tensor::from_vec(labels, (rounds.batch, 14), &Device::Cpu)?;
        rounds.run(args.json, side, |backend, scope| {
            let net = LatentNet::new(scope, backend)?;
            let (latents, labels) = (latents.clone(), labels.clone());
            Ok(Box::new(move || Ok(candle_nn::loss::binary_cross_entropy_with_logit(&net.forward(&latents)?, &labels)?)))
        })?;
    }
    Ok(())
}

/// How often to time a step of each side.
struct Rounds {
    name: &'static str,
    batch: usize,
    rounds: usize,
    /// Our steps per round, beside one of stock candle's.
    ours_per_round: usize,
}

type Loss = Box<dyn Fn() -> veilray_nn::Result<Tensor>>;

impl Rounds {
    /// Times both sides of the network that `build` makes over a backend.
    fn run(
        &self,
        json: bool,
        side: impl Fn(Side) -> bool,
        build: impl Fn(&'static dyn Backend, &veilray_nn::Scope) -> veilray_nn::Result<Loss>,
    ) -> Result<()> {
        let params = || ParamStore::seeded(7, &Device::Cpu);
        let (ours_params, stock_params) = (params(), params());
        let ours = build(&Ours, &ours_params.root())?;
        let stock = build(&Stock, &stock_params.root())?;
        let (first, expected) =
            (ours()?.to_scalar::<f32>()?, if side(Side::Stock) { stock()?.to_scalar::<f32>()? } else { f32::NAN });
        if ((first - expected) / expected).abs() > 1e-3 {
            return Err(format!("{}: first loss {first} with veilray-nn, {expected} with stock candle", self.name).into());
        }
        let config = OptimiserConfig { clip_norm: Some(1.0), ..OptimiserConfig::default() };
        let mut optimiser = Optimiser::new(config, &ours_params)?;
        let variables = stock_params.variables().into_values().collect();
        let mut adamw = candle_nn::AdamW::new(variables, candle_nn::ParamsAdamW::default())?;
        let mut ours_step = || -> Result<()> {
            let loss = ours()?;
            optimiser.step(&loss.backward()?, 1.0)?;
            Ok(())
        };
        let mut stock_step = || -> Result<()> {
            let loss = stock()?;
            Ok(adamw.step(&loss.backward()?)?)
        };
        // The first round warms up. Rounds alternate, so that whatever else the machine does slows both sides.
        let (mut ours_times, mut stock_times) = (Vec::new(), Vec::new());
        for round in 0..=self.rounds {
            for _ in 0..if side(Side::Ours) { self.ours_per_round } else { 0 } {
                let ms = time_ms(&mut ours_step)?;
                ours_times.extend((round > 0).then_some(ms));
            }
            if side(Side::Stock) {
                let ms = time_ms(&mut stock_step)?;
                stock_times.extend((round > 0).then_some(ms));
            }
        }
        let (ours_ms, stock_ms) = (median(ours_times), median(stock_times));
        self.print(json, ours_params.count(), ours_ms, stock_ms);
        Ok(())
    }

    fn print(&self, json: bool, parameters: usize, ours_ms: f64, stock_ms: f64) {
        let per_second = |ms: f64| self.batch as f64 * 1e3 / ms;
        let ratio = stock_ms / ours_ms;
        let threads = rayon::current_num_threads();
        if json {
            let line = serde_json::json!({
                "net": self.name, "batch": self.batch, "parameters": parameters, "threads": threads,
                "ours_ms": ours_ms, "stock_ms": stock_ms,
                "ours_images_per_s": per_second(ours_ms), "stock_images_per_s": per_second(stock_ms), "ratio": ratio,
            });
            println!("{line}");
        } else {
            println!("{} ({parameters} parameters, batch {}, {threads} threads)", self.name, self.batch);
            println!("  ours  {ours_ms:9.1} ms/step {:9.2} images/s", per_second(ours_ms));
            println!("  stock {stock_ms:9.1} ms/step {:9.2} images/s", per_second(stock_ms));
            println!("  ratio {ratio:9.2}");
        }
    }
}

fn time_ms(step: &mut impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    step()?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
