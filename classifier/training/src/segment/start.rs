//! Where batch norms before squares start.
//!
//! A square of values about zero is even: it forgets the sign, and a network of such squares hardly learns. Batch norms before squares
//! therefore start with a shift of 1 and a spread of [`SPREAD`]: (1 + x/2)² = 1 + x + x²/4 is nearly linear near its middle. Where the
//! sum of two branches is squared, each brings half of the shift.

use candle_core::Tensor;
use std::collections::BTreeMap;
use veilray_classifier::spec::{Layer, NetworkSpec};

/// Standard deviation of what is squared, beside a shift of 1.
const SPREAD: f64 = 0.5;

/// Sets weight and bias of the batch norms before squares among a network's parameters.
pub(super) fn shift_norms(spec: &NetworkSpec, tensors: &mut BTreeMap<String, Tensor>) -> veilray_nn::Result<()> {
    let mut found = Vec::new();
    of_list(&spec.layers, "layers", None, &mut found);
    for (path, [weight, bias]) in found {
        for (name, value) in [("weight", weight), ("bias", bias)] {
            if let Some(tensor) = tensors.get_mut(&format!("{path}.{name}")) {
                *tensor = (tensor.ones_like()? * value)?;
            }
        }
    }
    Ok(())
}

/// `last` is what the list's last batch norm gets.
fn of_list(layers: &[Layer], list: &str, last: Option<[f64; 2]>, found: &mut Vec<(String, [f64; 2])>) {
    for (index, layer) in layers.iter().enumerate() {
        let path = layer.path(list, index);
        let before_square = matches!(layers.get(index + 1), Some(Layer::Activation(_)));
        match layer {
            Layer::BatchNorm(_) if before_square => found.push((path, [SPREAD, 1.0])),
            Layer::BatchNorm(_) if index + 1 == layers.len() => found.extend(last.map(|start| (path, start))),
            Layer::Residual(residual) => {
                let half = before_square.then_some([SPREAD / 2f64.sqrt(), 0.5]);
                of_list(&residual.body, &format!("{path}.body"), half, found);
                of_list(&residual.shortcut, &format!("{path}.shortcut"), half, found);
            }
            _ => {}
        }
    }
}
