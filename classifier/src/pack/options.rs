//! How a circuit is packed.

use super::cost::CostModel;
use crate::circuit::Circuit;
use veilray_he::Params;

/// How a circuit is packed.
#[derive(Debug, Clone, PartialEq)]
pub struct PackOptions {
    /// Slots of a ciphertext, N/2; a power of two.
    pub slots: usize,
    /// Level at which the input arrives: at least the circuit's depth.
    pub level: usize,
    /// What operations cost.
    pub costs: CostModel,
    /// Passes of the layout search over all tensors; 0 keeps the layouts it starts from.
    pub passes: usize,
    /// Most megabytes (10^6 bytes) of evaluation keys: copies may then be chained ([`Steps::chained`](super::Steps::chained)), and keys weigh more and more until
    /// they fit.
    pub key_budget: Option<f64>,
}

impl PackOptions {
    /// For a parameter set, with the input as low as the circuit allows and the costs of the reference machine.
    pub fn new(params: &Params, circuit: &Circuit) -> Self {
        Self { slots: params.slots(), level: circuit.depth(), costs: CostModel::reference(params), passes: 4, key_budget: None }
    }

    /// The same with at most so many megabytes (10^6 bytes) of evaluation keys, at the price of time.
    #[must_use]
    pub fn with_key_budget(self, megabytes: f64) -> Self {
        Self { key_budget: Some(megabytes), ..self }
    }
}
