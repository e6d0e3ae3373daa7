//! The sizes of one convolution, checked once.

use crate::error::{Error, Result};
use crate::ops::cpu;
use crate::ops::types::Conv2dConfig;
use candle_core::Tensor;

/// Sizes of a convolution. For a transposed one they are those of the convolution whose input gradient it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub batch: usize,
    pub groups: usize,
    /// Input channels of one group.
    pub inputs: usize,
    /// Output channels of one group.
    pub outputs: usize,
    pub height: usize,
    pub width: usize,
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: usize,
    pub out_height: usize,
    pub out_width: usize,
}

impl Geometry {
    /// For `input` [batch, channel, height, width] and `weight` [outputs, channel / groups, kernel, kernel].
    pub(super) fn convolution(input: &Tensor, weight: &Tensor, config: Conv2dConfig) -> Result<Self> {
        const OP: &str = "conv2d";
        let [batch, channels, height, width] = cpu::dims4(input, OP, "input")?;
        let [outputs, inputs, kh, kw] = cpu::dims4(weight, OP, "weight")?;
        let Conv2dConfig { stride, padding, groups } = config;
        check(OP, groups, stride, input)?;
        if channels != inputs * groups || outputs % groups != 0 || outputs == 0 {
            return Err(Error::Shape {
                op: OP,
                argument: "weight",
                wanted: format!("[a multiple of {groups}, {channels} / {groups}, kernel, kernel]"),
                found: weight.dims().to_vec(),
            });
        }
        let out =
            |size: usize, kernel: usize| (kernel > 0).then(|| (size + 2 * padding).checked_sub(kernel))?.map(|x| x / stride + 1);
        let (Some(out_height), Some(out_width)) = (out(height, kh), out(width, kw)) else {
            return Err(Error::Shape {
                op: OP,
                argument: "input",
                wanted: format!("height and width of at least the kernel's {kh} x {kw} with padding {padding}"),
                found: input.dims().to_vec(),
            });
        };
        let outputs = outputs / groups;
        Ok(Self { batch, groups, inputs, outputs, height, width, kernel: [kh, kw], stride, padding, out_height, out_width })
    }

    /// For `input` [batch, channel, height, width] and `weight` [channel, outputs / groups, kernel, kernel] of a transposed
    /// convolution with `output_padding` more rows and columns at the bottom and right.
    pub(super) fn transposed(input: &Tensor, weight: &Tensor, config: Conv2dConfig, output_padding: usize) -> Result<Self> {
        const OP: &str = "conv_transpose2d";
        let [batch, channels, out_height, out_width] = cpu::dims4(input, OP, "input")?;
        let [weights, inputs, kh, kw] = cpu::dims4(weight, OP, "weight")?;
        let Conv2dConfig { stride, padding, groups } = config;
        check(OP, groups, stride, input)?;
        if weights != channels || channels % groups != 0 || channels == 0 {
            return Err(Error::Shape {
                op: OP,
                argument: "weight",
                wanted: format!("[{channels}, outputs / {groups}, kernel, kernel]"),
                found: weight.dims().to_vec(),
            });
        }
        if output_padding >= stride {
            return Err(Error::Setting { what: "output padding", wanted: "below the stride", found: output_padding.to_string() });
        }
        let size = |out: usize, kernel: usize| {
            let full = out.checked_sub(1)? * stride + kernel + output_padding;
            full.checked_sub(2 * padding).filter(|size| *size > 0 && kernel > 0)
        };
        let (Some(height), Some(width)) = (size(out_height, kh), size(out_width, kw)) else {
            return Err(Error::Shape {
                op: OP,
                argument: "input",
                wanted: format!("an extent of which padding {padding} leaves something"),
                found: input.dims().to_vec(),
            });
        };
        let outputs = channels / groups;
        Ok(Self { batch, groups, inputs, outputs, height, width, kernel: [kh, kw], stride, padding, out_height, out_width })
    }

    /// Values of one channel of the input.
    pub(super) fn in_plane(&self) -> usize {
        self.height * self.width
    }

    /// Values of one channel of the output.
    pub(super) fn out_plane(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Rows of the column matrix: inputs x kernel height x kernel width.
    pub(super) fn taps(&self) -> usize {
        let [kh, kw] = self.kernel;
        self.inputs * kh * kw
    }

    pub(super) fn input_len(&self) -> usize {
        self.batch * self.groups * self.inputs * self.in_plane()
    }

    pub(super) fn output_len(&self) -> usize {
        self.batch * self.groups * self.outputs * self.out_plane()
    }

    pub(super) fn weight_len(&self) -> usize {
        self.groups * self.outputs * self.taps()
    }

    /// Whether the column matrix is the input itself.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == 0
    }
}

fn check(op: &'static str, groups: usize, stride: usize, input: &Tensor) -> Result<()> {
    if input.elem_count() == 0 {
        let wanted = "at least one value".into();
        return Err(Error::Shape { op, argument: "input", wanted, found: input.dims().to_vec() });
    }
    if groups == 0 {
        return Err(Error::Setting { what: op, wanted: "given at least one group", found: "groups = 0".into() });
    }
    if stride == 0 {
        return Err(Error::Setting { what: op, wanted: "given a stride of at least 1", found: "stride = 0".into() });
    }
    Ok(())
}
