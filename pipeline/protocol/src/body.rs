//! Binary bodies: a JSON part, then the bytes of one tensor of datatype BYTES, each element behind its length.

use super::headers::INFERENCE_HEADER_LENGTH;
use super::messages::{TensorHeader, TensorParameters};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Name of the input tensor.
pub const INPUT: &str = "image";
/// Name of the output tensor.
pub const OUTPUT: &str = "logits";
/// Longest JSON part of a binary body, bytes.
pub const MAX_HEADER: usize = 64 << 10;

/// Why a binary body was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The JSON part is longer than the body or than is taken.
    #[error("the JSON part is said to take {found} bytes, it may take {max}; set {INFERENCE_HEADER_LENGTH} to its length")]
    HeaderLength {
        /// In the header.
        found: usize,
        /// The body's length or [`MAX_HEADER`].
        max: usize,
    },
    /// The JSON part is not what it should be.
    #[error("the JSON part cannot be read: {why}")]
    Json {
        /// Where and why.
        why: String,
    },
    /// The tensors are not as they are described.
    #[error("the tensor should be {wanted}, it is {found}")]
    Tensor {
        /// What was wanted.
        wanted: String,
        /// What the body has instead.
        found: String,
    },
}

/// A tensor of datatype BYTES: each element behind its length.
#[must_use]
pub fn elements(ciphertexts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ciphertexts.iter().map(|c| c.len() + 4).sum());
    for ciphertext in ciphertexts {
        out.extend_from_slice(&(ciphertext.len() as u32).to_le_bytes());
        out.extend_from_slice(ciphertext);
    }
    out
}

/// The description of a tensor of `count` elements in `bytes` bytes.
#[must_use]
pub fn tensor(name: &str, count: usize, bytes: usize) -> TensorHeader {
    let parameters = TensorParameters { binary_data_size: bytes };
    TensorHeader { name: name.into(), datatype: "BYTES".into(), shape: vec![count], parameters }
}

/// A binary body of one tensor, and the length of its JSON part.
///
/// # Errors
/// [`BodyError::Json`] for a header that JSON cannot express.
pub fn body(header: &impl Serialize, tensor: &[u8]) -> Result<(Vec<u8>, usize), BodyError> {
    let mut out = serde_json::to_vec(header).map_err(|e| BodyError::Json { why: e.to_string() })?;
    let length = out.len();
    out.extend_from_slice(tensor);
    Ok((out, length))
}

/// The JSON part of a binary body and what is behind it.
///
/// # Errors
/// A JSON part that is too long or not what it should be.
pub fn split<T: DeserializeOwned>(body: &[u8], header_length: usize) -> Result<(T, &[u8]), BodyError> {
    let refused = BodyError::HeaderLength { found: header_length, max: body.len().min(MAX_HEADER) };
    if header_length > MAX_HEADER {
        return Err(refused);
    }
    let (json, rest) = body.split_at_checked(header_length).ok_or(refused)?;
    let header = serde_json::from_slice(json).map_err(|e| BodyError::Json { why: e.to_string() })?;
    Ok((header, rest))
}

/// The ciphertexts of a binary body's only tensor, which must be `name` and fill `bytes`.
///
/// # Errors
/// Another tensor, another length, elements that do not fill it.
pub fn ciphertexts<'b>(tensors: &[TensorHeader], name: &str, bytes: &'b [u8]) -> Result<Vec<&'b [u8]>, BodyError> {
    let refuse = |wanted: String, found: String| Err(BodyError::Tensor { wanted, found });
    let [tensor] = tensors else { return refuse(format!("one, {name}"), format!("{} tensors", tensors.len())) };
    let [count] = tensor.shape.as_slice() else {
        return refuse("a list of ciphertexts, shape [n]".into(), format!("of shape {:?}", tensor.shape));
    };
    if tensor.name != name || tensor.datatype != "BYTES" {
        return refuse(format!("{name} of datatype BYTES"), format!("{:?} of datatype {:?}", tensor.name, tensor.datatype));
    }
    if tensor.parameters.binary_data_size != bytes.len() {
        let (said, found) = (tensor.parameters.binary_data_size, bytes.len());
        return refuse(format!("{said} bytes behind the JSON part (binary_data_size)"), format!("{found} bytes"));
    }
    let (mut out, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let element =
            rest.split_first_chunk::<4>().and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
        let Some((element, behind)) = element else {
            return refuse("elements behind their lengths".into(), format!("cut off in element {}", out.len()));
        };
        out.push(element);
        rest = behind;
    }
    if out.len() != *count {
        return refuse(format!("{count} ciphertexts, as its shape says"), format!("{} ciphertexts", out.len()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::messages::{InferParameters, InferRequest};
    use super::*;

    fn request(tensors: Vec<TensorHeader>) -> InferRequest {
        InferRequest { id: None, parameters: InferParameters { keys: "a".into(), manifest: "b".into() }, inputs: tensors }
    }

    #[test]
    fn a_body_comes_back_as_it_was_put_together() {
        let sent = [vec![1, 2, 3], vec![], vec![9; 700]];
        let bytes = elements(&sent);
        let (body, length) = body(&request(vec![tensor(INPUT, 3, bytes.len())]), &bytes).unwrap();
        let (header, rest) = split::<InferRequest>(&body, length).unwrap();
        assert_eq!(ciphertexts(&header.inputs, INPUT, rest).unwrap(), sent.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for wrong in [length - 1, length + 1, body.len() + 1, usize::MAX] {
            assert!(split::<InferRequest>(&body, wrong).is_err(), "{wrong}");
        }
        for cut in 0..bytes.len() {
            assert!(ciphertexts(&header.inputs, INPUT, &bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn tensors_of_another_name_type_shape_or_count_are_refused() {
        let bytes = elements(&[vec![7; 5]]);
        let good = tensor(INPUT, 1, bytes.len());
        assert!(ciphertexts(std::slice::from_ref(&good), INPUT, &bytes).is_ok());
        assert!(ciphertexts(&[], INPUT, &bytes).is_err());
        assert!(ciphertexts(&[good.clone(), good.clone()], INPUT, &bytes).is_err());
        let bad = [
            TensorHeader { name: "logits".into(), ..good.clone() },
            TensorHeader { datatype: "FP32".into(), ..good.clone() },
            TensorHeader { shape: vec![1, 1], ..good.clone() },
            TensorHeader { shape: vec![2], ..good.clone() },
        ];
        for bad in bad {
            assert!(matches!(ciphertexts(&[bad], INPUT, &bytes), Err(BodyError::Tensor { .. })));
        }
        let mut long = bytes.clone();
        *long.first_mut().unwrap() = 200;
        assert!(ciphertexts(&[good], INPUT, &long).is_err());
    }
}
