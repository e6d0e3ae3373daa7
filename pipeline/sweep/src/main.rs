//! `veilray-sweep`: the researcher's experiments.
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use veilray_sweep::command::output;
use veilray_sweep::{
    encode, encoders, evaluate, reply_bits, report, run, teach, train_classifier, train_fcnn, train_fitness, train_segmenter,
};

/// Experiments on encrypted chest X-ray classification: what each compression factor costs. Not for diagnostic use.
#[derive(Parser)]
#[command(version, after_help = output::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    TrainEncoder(encoders::train::Args),
    EvaluateEncoder(encoders::evaluate::Args),
    Evaluate(evaluate::Args),
    Encode(encode::Args),
    TrainClassifier(train_classifier::Args),
    Teach(teach::Args),
    TrainFcnn(train_fcnn::Args),
    TrainSegmenter(train_segmenter::Args),
    TrainFitness(train_fitness::Args),
    Run(run::Args),
    Resume(run::ResumeArgs),
    Report(report::Args),
    ReplyBits(reply_bits::Args),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let trains = match &command {
        Command::TrainEncoder(_) | Command::TrainClassifier(_) | Command::TrainFcnn(_) | Command::TrainSegmenter(_) => true,
        // Forward passes alone, but as many.
        Command::Teach(_) | Command::TrainFitness(_) => true,
        // What measures as well needs the freed memory.
        Command::Run(args) => args.choices.train_only,
        Command::Resume(args) => args.choices.train_only,
        _ => false,
    };
    if trains {
        veilray_nn::memory::keep_pages();
    }
    match command {
        Command::TrainEncoder(args) => output::end(encoders::train::run(&args), args.common.json),
        Command::EvaluateEncoder(args) => output::end(encoders::evaluate::run(&args), args.common.json),
        Command::Evaluate(args) => output::end(evaluate::command(&args), args.common.json),
        Command::Encode(args) => output::end(encode::run(&args), args.common.json),
        Command::TrainClassifier(args) => output::end(train_classifier::run(&args), args.training.common.json),
        Command::Teach(args) => output::end(teach::run(&args), args.common.json),
        Command::TrainFcnn(args) => output::end(train_fcnn::run(&args), args.training.common.json),
        Command::TrainSegmenter(args) => output::end(train_segmenter::run(&args), args.training.common.json),
        Command::TrainFitness(args) => output::end(train_fitness::run(&args), args.common.json),
        Command::Run(args) => output::end(run::run(&args), args.choices.common.json),
        Command::Resume(args) => output::end(run::resume(&args), args.choices.common.json),
        Command::Report(args) => output::end(report::run(&args), args.json),
        Command::ReplyBits(args) => output::end(reply_bits::run(&args), args.common.json),
    }
}
