//! What a row of the ledger says.

use crate::grid::Experiment;
use serde::{Deserialize, Serialize};
use veilray_training::metrics::Figure;

/// One experiment: what it was, on what it ran, what it gave and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The experiment's identity.
    pub id: String,
    /// Name of the sweep, as its file states it.
    pub sweep: String,
    /// Whether it ran.
    pub outcome: Outcome,
    /// Where it did not: why, and what would help.
    pub reason: Option<String>,
    /// The commit of the source.
    pub commit: String,
    /// Model name of the processor.
    pub machine: String,
    /// Its instruction sets that matter, and the engine's choice.
    pub cpu_features: String,
    /// Its logical cores.
    pub cores: usize,
    /// Seconds since 1970.
    pub unix_time: u64,
    /// The data set.
    pub data: String,
    /// Image side over latent side.
    pub factor: u32,
    /// `continuous` or `quantised`.
    pub latent: String,
    /// The network without its gate and activations.
    pub network: String,
    /// The gate of its layers: `none`, `se` or `cbam`.
    pub gate: String,
    /// The form of its activations, such as `published`.
    pub activation: String,
    /// Degree of the activations' polynomials.
    pub degree: u32,
    /// The parameter set.
    pub params: String,
    /// Seed of the training.
    pub seed: u64,
    /// Name of the encoder; of pixels, that of the bringing to a side.
    pub encoder: String,
    /// SHA-256 of its manifest.
    pub encoder_sha256: String,
    /// Values of a latent.
    pub latent_values: usize,
    /// Wall time of the encoder's training, s; none for pixels.
    pub encoder_seconds: Option<f64>,
    /// Trained values of the network.
    pub parameters: Option<usize>,
    /// Wall time of both networks' training, s.
    pub train_seconds: Option<f64>,
    /// Threads of the training.
    pub train_threads: usize,
    /// The commit that trained, where that is known.
    #[serde(default)]
    pub train_commit: Option<String>,
    /// Whether ReLU stood behind the normalisation that HerPN has; `false` in rows of versions before it did.
    #[serde(default)]
    pub relu_normalised: bool,
    /// Images of the test split.
    pub test_images: Option<usize>,
    /// Macro ROC-AUC of the network with ReLU, in clear on the test split.
    pub auc_relu: Option<Auc>,
    /// Of the polynomial network, in clear on the test split.
    pub auc_polynomial: Option<Auc>,
    /// Of the polynomial network, in clear on the images that were evaluated encrypted.
    pub auc_same: Option<Auc>,
    /// Of the polynomial network, on ciphertexts of the same images as `auc_same`.
    pub auc_encrypted: Option<Auc>,
    /// What encryption moves: `auc_encrypted` less `auc_same`, its interval paired, over the same resampled patients.
    #[serde(default)]
    pub auc_moved: Option<Auc>,
    /// `auc_polynomial` on each of 1 000 test splits whose patients were drawn anew, alike for all networks of one test split: the
    /// difference of two rows is paired. Five digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auc_resampled: Vec<f64>,
    /// SHA-256 of the test split's patients and labels: rows with the same one may be compared split by split.
    #[serde(default)]
    pub test_sha256: Option<String>,
    /// Images evaluated on ciphertexts.
    pub encrypted_images: Option<usize>,
    /// As many as the half width that was asked for would take.
    #[serde(default)]
    pub encrypted_wanted: Option<usize>,
    /// Images whose reply was not believed, because a logit left the range that training saw.
    pub refused_replies: Option<usize>,
    /// Largest |encrypted − clear| of a logit.
    pub max_abs_logit_error: Option<f64>,
    /// −log2 of that.
    pub precision_bits: Option<f64>,
    /// Labels decided otherwise although the clear logit is further than 0.02 from its threshold.
    pub label_flips: Option<usize>,
    /// Levels that the circuit consumes.
    pub levels: Option<usize>,
    /// Time of an image on the server.
    pub server: Vec<ServerTime>,
    /// Part of the machine's processor time that other processes took meanwhile, 0 to 1.
    pub foreign_load: Option<f64>,
    /// Whether diagonals were encoded anew for every image, because they do not fit into memory.
    pub streamed: bool,
    /// The server's memory as planned, MB (10^6 bytes).
    pub planned_memory_mb: Option<f64>,
    /// The most that was allocated at a time for keys, circuit and the first image, MB.
    pub memory_mb: Option<f64>,
    /// Bytes of an image's ciphertexts.
    pub upload_bytes: Option<usize>,
    /// Bytes of the reply.
    pub reply_bytes: Option<usize>,
    /// Bytes of the evaluation keys.
    pub key_bytes: Option<usize>,
    /// Threads of the times in `layers`.
    #[serde(default)]
    pub layer_threads: Option<usize>,
    /// Node by node, on one image.
    pub layers: Vec<LayerRow>,
}

/// How an experiment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything was measured.
    Measured,
    /// It could not run here.
    Refused,
}

/// A macro ROC-AUC and its 95 % interval over patients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auc {
    /// The mean over the labels.
    pub value: f64,
    /// Lower end of the interval; none where it cannot be estimated.
    pub low: Option<f64>,
    /// Upper end of the interval; none where it cannot be estimated.
    pub high: Option<f64>,
}

impl From<Figure> for Auc {
    fn from(figure: Figure) -> Self {
        let (low, high) = (figure.interval.map(|i| i.low), figure.interval.map(|i| i.high));
        Self { value: figure.value, low, high }
    }
}

/// Time of an image on so many threads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTime {
    /// Threads that computed one image together.
    pub threads: usize,
    /// Half took less, ms.
    pub median_ms: f64,
    /// 95 % took less, ms.
    pub p95_ms: f64,
    /// Number of runs that were timed.
    pub runs: usize,
}

/// A node of the circuit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRow {
    /// Path of the layer.
    pub name: String,
    /// What it does.
    pub op: String,
    /// Level of its ciphertexts.
    pub level: usize,
    /// Number of ciphertexts that it gives.
    pub ciphertexts: usize,
    /// Largest magnitude of its values, in clear.
    pub largest: f64,
    /// log2 of the largest error against clear; none where there is no error.
    pub log2_error: Option<f64>,
    /// Wall time, ms.
    pub ms: f64,
}

impl Row {
    /// The row of an experiment of which nothing is known yet but what it is.
    pub fn new(experiment: &Experiment) -> Self {
        let point = &experiment.point;
        let machine = crate::machine::Machine::here();
        Self {
            id: experiment.id(),
            sweep: experiment.sweep.clone(),
            outcome: Outcome::Refused,
            reason: None,
            commit: machine.commit,
            machine: machine.processor,
            cpu_features: machine.features,
            cores: machine.cores,
            unix_time: machine.unix_time,
            data: point.data.clone(),
            factor: point.factor.get(),
            latent: point.latent.to_string(),
            network: point.network.to_string(),
            gate: point.gate.to_string(),
            activation: point.activation.to_string(),
            degree: point.degree,
            params: point.params.to_string(),
            seed: point.seed,
            encoder: String::new(),
            encoder_sha256: String::new(),
            latent_values: 0,
            encoder_seconds: None,
            parameters: None,
            train_seconds: None,
            train_threads: rayon::current_num_threads(),
            train_commit: None,
            relu_normalised: true,
            test_images: None,
            auc_relu: None,
            auc_polynomial: None,
            auc_same: None,
            auc_encrypted: None,
            auc_moved: None,
            auc_resampled: Vec::new(),
            test_sha256: None,
            encrypted_images: None,
            encrypted_wanted: None,
            refused_replies: None,
            max_abs_logit_error: None,
            precision_bits: None,
            label_flips: None,
            levels: None,
            server: Vec::new(),
            foreign_load: None,
            streamed: false,
            planned_memory_mb: None,
            memory_mb: None,
            upload_bytes: None,
            reply_bytes: None,
            key_bytes: None,
            layer_threads: None,
            layers: Vec::new(),
        }
    }

    /// The backbone, its gate, and what of latent and activations is not as usual.
    pub fn label(&self) -> String {
        let gate = if self.gate == "none" { String::new() } else { format!("+{}", self.gate) };
        let unusual = [(&self.latent, "continuous"), (&self.activation, "published")];
        let unusual: Vec<&str> =
            unusual.iter().filter(|(found, usual)| found != usual).map(|(found, _)| found.as_str()).collect();
        let unusual = if unusual.is_empty() { String::new() } else { format!(" ({})", unusual.join(", ")) };
        format!("{}{gate}{unusual}", self.network)
    }

    /// Macro ROC-AUC on ciphertexts, as it is to be expected on the whole test split: that in clear there, moved by what encryption moved
    /// it on the images that were evaluated both ways. Encryption changes next to nothing, so this has the small interval of the whole split
    /// and not the wide one of the sample.
    pub fn accuracy(&self) -> Option<Auc> {
        let moved = self.auc_encrypted?.value - self.auc_same?.value;
        let clear = self.auc_polynomial?;
        let end = |end: Option<f64>| end.map(|end| end + moved);
        Some(Auc { value: clear.value + moved, low: end(clear.low), high: end(clear.high) })
    }

    /// Median time of an image on so many threads, ms.
    pub fn median_ms(&self, threads: usize) -> Option<f64> {
        self.server.iter().find(|time| time.threads == threads).map(|time| time.median_ms)
    }
}
