//! `veilray-sweep`: the researcher's experiments.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use veilray_sweep::{
    encode, evaluate, evaluate_encoder, output, report, run, teach, train_classifier, train_encoder, train_fcnn, train_segmenter,
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
    TrainEncoder(train_encoder::Args),
    EvaluateEncoder(evaluate_encoder::Args),
    Evaluate(evaluate::Args),
    Encode(encode::Args),
    TrainClassifier(train_classifier::Args),
    Teach(teach::Args),
    TrainFcnn(train_fcnn::Args),
    TrainSegmenter(train_segmenter::Args),
    Run(run::Args),
    Resume(run::ResumeArgs),
    Report(report::Args),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let trains = match &command {
        Command::TrainEncoder(_) | Command::TrainClassifier(_) | Command::TrainFcnn(_) | Command::TrainSegmenter(_) => true,
        // Forward passes alone, but as many.
        Command::Teach(_) => true,
        // What measures as well needs the freed memory.
        Command::Run(args) => args.choices.train_only,
        Command::Resume(args) => args.choices.train_only,
        _ => false,
    };
    if trains {
        veilray_nn::memory::keep_pages();
    }
    match command {
        Command::TrainEncoder(args) => output::end(train_encoder::run(&args), args.json),
        Command::EvaluateEncoder(args) => output::end(evaluate_encoder::run(&args), args.json),
        Command::Evaluate(args) => output::end(evaluate::command(&args), args.json),
        Command::Encode(args) => output::end(encode::run(&args), args.json),
        Command::TrainClassifier(args) => output::end(train_classifier::run(&args), args.json),
        Command::Teach(args) => output::end(teach::run(&args), args.json),
        Command::TrainFcnn(args) => output::end(train_fcnn::run(&args), args.json),
        Command::TrainSegmenter(args) => output::end(train_segmenter::run(&args), args.json),
        Command::Run(args) => output::end(run::run(&args), args.choices.json),
        Command::Resume(args) => output::end(run::resume(&args), args.choices.json),
        Command::Report(args) => output::end(report::run(&args), args.json),
    }
}
