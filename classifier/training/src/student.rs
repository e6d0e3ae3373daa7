//! A specification's network as candle layers: what is trained and then folded into a circuit.
//!
//! Parameters carry the names and shapes that [`veilray_classifier::spec`] documents, so that what training saves is what folding reads.

use crate::error::{Error, Result};
use crate::layers::List;
use crate::network::{Architecture, Network, Pass};
use candle_core::Tensor;
use std::collections::BTreeMap;
use veilray_classifier::spec::{Form, Layer, NetworkSpec};
use veilray_nn::Scope;

/// A checked specification, to be built and trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Student {
    spec: NetworkSpec,
}

impl Student {
    /// Of a specification.
    ///
    /// # Errors
    /// One that does not fit together.
    pub fn new(spec: NetworkSpec) -> Result<Self> {
        spec.check()?;
        Ok(Self { spec })
    }

    /// The network's specification.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// The same network with every activation of one form, for a stage of training. Coefficients shared by all channels become one
    /// each, as only the form `polynomial` can share them. [`Form::NormRelu`] takes HerPN's place alone, which normalises as it does; all
    /// other activations become plain ReLU.
    #[must_use]
    pub fn with_form(&self, form: Form) -> Self {
        let mut spec = self.spec.clone();
        set_form(&mut spec.layers, form);
        Self { spec }
    }

    /// The same network with another number of logits.
    ///
    /// # Errors
    /// A network whose last layer is not linear, or no labels.
    pub fn with_labels(&self, labels: usize) -> Result<Self> {
        let mut spec = self.spec.clone();
        match spec.layers.last_mut() {
            Some(Layer::Linear(linear)) => linear.out = labels,
            _ => return Err(self.no_last_linear()),
        }
        spec.labels = labels;
        Self::new(spec)
    }

    /// The weights of [`Student::with_labels`] of fewer labels: the first rows of the last layer, and all others as they are.
    ///
    /// # Errors
    /// As [`Student::with_labels`], tensors of another network, more labels than there are.
    pub fn trim(&self, tensors: &BTreeMap<String, Tensor>, labels: usize) -> Result<BTreeMap<String, Tensor>> {
        let last = self.spec.layers.len().checked_sub(1).and_then(|at| Some((at, self.spec.layers.get(at)?)));
        let Some((at, Layer::Linear(_))) = last else { return Err(self.no_last_linear()) };
        let mut tensors = tensors.clone();
        for parameter in ["weight", "bias"] {
            let name = format!("layers.{at}.linear.{parameter}");
            let Some(tensor) = tensors.get_mut(&name) else { return Err(veilray_nn::Error::MissingTensor { name }.into()) };
            *tensor = tensor.narrow(0, 0, labels)?.contiguous()?;
        }
        Ok(tensors)
    }

    fn no_last_linear(&self) -> Error {
        let why = "the network's last layer must be linear for its labels to be changed".into();
        Error::Layer { layer: self.spec.name.clone(), why }
    }
}

fn set_form(layers: &mut [Layer], form: Form) {
    let instead = |old: Form| if form == Form::NormRelu && old != Form::Hermite { Form::Relu } else { form };
    for layer in layers {
        match layer {
            Layer::Activation(activation) => {
                activation.form = instead(activation.form);
                activation.shared &= form == Form::Polynomial;
            }
            Layer::Se(squeeze) | Layer::Cbam(squeeze) => squeeze.form = instead(squeeze.form),
            Layer::Residual(residual) => {
                set_form(&mut residual.body, form);
                set_form(&mut residual.shortcut, form);
            }
            Layer::Gated(gated) => set_form(&mut gated.body, form),
            _ => {}
        }
    }
}

impl Architecture for Student {
    fn build(&self, scope: &Scope) -> Result<Box<dyn Network>> {
        let layers = List::new(scope, "layers", &self.spec.layers, self.spec.input)?;
        Ok(Box::new(Built { layers }))
    }

    fn input(&self) -> [usize; 3] {
        let shape = self.spec.input;
        [shape.channels, shape.height, shape.width]
    }

    fn labels(&self) -> usize {
        self.spec.labels
    }

    fn describe(&self) -> String {
        format!("{:?}", self.spec)
    }
}

struct Built {
    layers: List,
}

impl Network for Built {
    fn forward(&self, input: &Tensor, pass: &mut Pass<'_>) -> veilray_nn::Result<Tensor> {
        Ok(self.layers.forward(input, pass)?.flatten_from(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use veilray_base::Rng;
    use veilray_classifier::weights::Weights;
    use veilray_nn::ParamStore;

    /// One of every kind of layer.
    const EVERYTHING: &str = r#"
        name = "everything"
        labels = 5
        input = { channels = 2, height = 9, width = 8 }
        [[layers]]
        kind = "conv"
        out = 4
        kernel = 3
        padding = 1
        groups = 2
        bias = false
        [[layers]]
        kind = "batch_norm"
        [[layers]]
        kind = "activation"
        form = "hermite"
        [[layers]]
        kind = "residual"
        body = [{ kind = "conv", out = 6, kernel = 1, stride = 2 }, { kind = "activation", form = "polynomial", shared = true }]
        shortcut = [{ kind = "conv", out = 6, kernel = 3, stride = 2, padding = 1 }, { kind = "avg_pool", kernel = 1, stride = 1 }]
        [[layers]]
        kind = "se"
        reduction = 2
        [[layers]]
        kind = "gated"
        degree = 2
        body = [{ kind = "conv_transpose", out = 3, kernel = 2, stride = 2 }]
        [[layers]]
        kind = "cbam"
        reduction = 1
        form = "square"
        [[layers]]
        kind = "gated"
        degree = 1
        body = [{ kind = "avg_pool", kernel = 3, stride = 2, padding = 1 }]
        [[layers]]
        kind = "residual"
        body = [{ kind = "global_avg_pool" }]
        shortcut = [{ kind = "flatten" }, { kind = "linear", out = 3 }]
        [[layers]]
        kind = "dropout"
        probability = 0.3
        [[layers]]
        kind = "activation"
        form = "relu"
        [[layers]]
        kind = "linear"
        out = 5
    "#;

    fn everything() -> Student {
        Student::new(NetworkSpec::from_toml(EVERYTHING).unwrap()).unwrap()
    }

    fn input(batch: usize) -> Tensor {
        veilray_nn::normal_tensor(&mut Rng::new(3, "input"), (batch, 2, 9, 8), &Device::Cpu).unwrap()
    }

    #[test]
    fn parameters_have_the_names_and_shapes_of_the_specification() {
        let forms = [Form::Square, Form::Polynomial, Form::NormRelu];
        for student in forms.map(|form| everything().with_form(form)).into_iter().chain([everything()]) {
            let params = ParamStore::seeded(1, &Device::Cpu);
            student.build(&params.root()).unwrap();
            let built: BTreeMap<String, Vec<usize>> =
                params.tensors().into_iter().map(|(name, tensor)| (name, tensor.dims().to_vec())).collect();
            let wanted = student.spec().parameters().unwrap().into_iter().map(|p| (p.name, p.shape)).collect();
            assert_eq!(built, wanted);
            let trained = student.spec().parameters().unwrap().into_iter().filter(|p| !p.role.is_buffer()).map(|p| p.name);
            assert_eq!(params.variables().into_keys().collect::<std::collections::BTreeSet<_>>(), trained.collect());
        }
    }

    #[test]
    fn every_parameter_gets_a_gradient_and_every_activation_is_watched() {
        let params = ParamStore::seeded(1, &Device::Cpu);
        let network = everything().build(&params.root()).unwrap();
        let mut rng = Rng::new(1, "dropout");
        let mut pass = Pass::train(&mut rng).watching();
        let logits = network.forward(&input(6), &mut pass).unwrap();
        assert_eq!(logits.dims(), [6, 5]);
        let names: Vec<String> = pass.watched().into_iter().map(|w| w.layer).collect();
        assert_eq!(
            names,
            [
                "layers.2.activation",
                "layers.3.residual.body.1.activation",
                "layers.4.se.activation",
                "layers.4.se.sigmoid",
                "layers.5.gated.gate",
                "layers.6.cbam.activation",
                "layers.6.cbam.sigmoid",
                "layers.10.activation"
            ]
        );
        let gradients = logits.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let without: Vec<String> =
            params.variables().into_iter().filter(|(_, var)| gradients.get(var).is_none()).map(|(name, _)| name).collect();
        assert_eq!(without, [""; 0]);
    }

    /// The same weights, image by image, against the loops of [`veilray_classifier::reference`].
    fn assert_as_defined(spec: &NetworkSpec) {
        let weights = Weights::random(spec, 5).unwrap();
        let tensor = |t: &veilray_classifier::weights::Tensor| Tensor::from_slice(t.values(), t.shape(), &Device::Cpu).unwrap();
        let tensors = weights.tensors().iter().map(|(name, values)| (name.clone(), tensor(values))).collect();
        let student = Student::new(spec.clone()).unwrap();
        let network = crate::frozen(&student, &tensors).unwrap();
        let shape = spec.input;
        let x =
            veilray_nn::normal_tensor(&mut Rng::new(3, "input"), (2, shape.channels, shape.height, shape.width), &Device::Cpu)
                .unwrap();
        let found = network.forward(&x, &mut Pass::evaluate()).unwrap().to_vec2::<f32>().unwrap();
        let images = x.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        for (found, image) in found.iter().zip(images) {
            let image: Vec<f64> = image.into_iter().map(f64::from).collect();
            let wanted = veilray_classifier::reference::evaluate(spec, &weights, &image).unwrap();
            let largest = wanted.iter().fold(1.0f64, |most, v| most.max(v.abs()));
            for (found, wanted) in found.iter().zip(&wanted) {
                assert!((f64::from(*found) - wanted).abs() < 1e-5 * largest, "{}: {found} against {wanted}", spec.name);
            }
        }
    }

    #[test]
    fn networks_give_what_their_layers_are_defined_to_give() {
        assert_as_defined(everything().spec());
        assert_as_defined(everything().with_form(Form::NormRelu).spec());
        for name in ["lenet5-cbam", "vgg5-se", "veilnet-s", "veilnet-se", "tenseal-mnist"] {
            assert_as_defined(&veilray_classifier::networks::default_for(name).unwrap());
        }
    }

    #[test]
    fn relu_keeps_the_normalisation_of_what_it_stands_for() {
        let spec = everything().with_form(Form::NormRelu).spec().clone();
        let form = |at: usize| match &spec.layers[at] {
            Layer::Activation(activation) => activation.form,
            Layer::Se(squeeze) | Layer::Cbam(squeeze) => squeeze.form,
            other => panic!("{other:?}"),
        };
        assert_eq!([2, 4, 6, 10].map(form), [Form::NormRelu, Form::NormRelu, Form::Relu, Form::Relu]);
    }

    #[test]
    fn fewer_labels_are_the_first_logits() {
        let student = everything();
        let params = ParamStore::seeded(1, &Device::Cpu);
        let all = student.build(&params.root()).unwrap().forward(&input(2), &mut Pass::evaluate()).unwrap();
        let few = student.with_labels(3).unwrap();
        let tensors = student.trim(&params.tensors(), 3).unwrap();
        let network = crate::frozen(&few, &tensors).unwrap();
        let found = network.forward(&input(2), &mut Pass::evaluate()).unwrap();
        let close = (found - all.narrow(1, 0, 3).unwrap()).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(close < 1e-6, "{close}");
        assert!(student.trim(&params.tensors(), 6).is_err() && student.with_labels(0).is_err());
    }
}
