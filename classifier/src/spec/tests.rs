use super::*;

fn spec(layers: &str) -> Result<NetworkSpec, SpecError> {
    NetworkSpec::from_toml(&format!("name = \"t\"\nlabels = 2\n[input]\nchannels = 4\nheight = 8\nwidth = 8\n{layers}"))
}

const END: &str = "[[layers]]\nkind = \"flatten\"\n[[layers]]\nkind = \"linear\"\nout = 2\n";

#[test]
fn a_network_reads_back_from_its_own_text() {
    let text = "[[layers]]\nkind = \"residual\"\n[[layers.body]]\nkind = \"conv\"\nout = 4\nkernel = 3\npadding = 1\ngroups = 2\n\
                [[layers.body]]\nkind = \"activation\"\nform = \"polynomial\"\nshared = true\n";
    let read = spec(&format!("{text}{END}")).unwrap();
    assert_eq!(NetworkSpec::from_toml(&read.to_toml().unwrap()).unwrap(), read);
    let names: Vec<String> = read.parameters().unwrap().into_iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    let wanted = [
        "layers.0.residual.body.0.conv.weight [4, 2, 3, 3]",
        "layers.0.residual.body.0.conv.bias [4]",
        "layers.0.residual.body.1.activation.coefficients [3, 1]",
        "layers.2.linear.weight [2, 256]",
        "layers.2.linear.bias [2]",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn unknown_fields_and_kinds_are_refused_everywhere() {
    for bad in [
        "[[layers]]\nkind = \"conv\"\nout = 4\nkernel = 3\nstrides = 2\n",
        "[[layers]]\nkind = \"flatten\"\nout = 4\n",
        "[[layers]]\nkind = \"maxpool\"\n",
        "[[layers]]\nkind = \"activation\"\nform = \"tanh\"\n",
    ] {
        assert!(matches!(spec(&format!("{bad}{END}")), Err(SpecError::Toml { .. })), "{bad}");
    }
}

#[test]
fn errors_name_the_layer() {
    let bad = [
        ("[[layers]]\nkind = \"conv\"\nout = 6\nkernel = 3\ngroups = 4\n", "layers.0.conv: groups"),
        ("[[layers]]\nkind = \"conv\"\nout = 4\nkernel = 9\n", "layers.0.conv: its input is [4, 8, 8]"),
        ("[[layers]]\nkind = \"conv\"\nout = 4\nkernel = 3\nstride = 0\n", "layers.0.conv: stride"),
        ("[[layers]]\nkind = \"conv\"\nout = 4\nkernel = 3\npadding = 3\n", "layers.0.conv: padding"),
        ("[[layers]]\nkind = \"linear\"\nout = 2\n", "layers.0.linear: its input is [4, 8, 8] but must be a vector"),
        ("[[layers]]\nkind = \"dropout\"\nprobability = 1.0\n", "layers.0.dropout: probability"),
        ("[[layers]]\nkind = \"conv_transpose\"\nout = 1\nkernel = 1\npadding = 4\n", "layers.0.conv_transpose: padding"),
        ("[[layers]]\nkind = \"conv\"\nout = 99999999\nkernel = 1\n", "layers.0.conv: out"),
        (
            "[[layers]]\nkind = \"residual\"\n[[layers.body]]\nkind = \"conv\"\nout = 3\nkernel = 1\n",
            "layers.0.residual: the body gives [3, 8, 8], the shortcut [4, 8, 8]",
        ),
        (
            "[[layers]]\nkind = \"gated\"\ndegree = 1\n[[layers.body]]\nkind = \"se\"\nreduction = 0\n",
            "layers.0.gated.body.0.se: reduction",
        ),
    ];
    for (text, wanted) in bad {
        let error = spec(&format!("{text}{END}")).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
    }
    let error = spec("[[layers]]\nkind = \"flatten\"\n").unwrap_err();
    assert_eq!(error, SpecError::Output { labels: 2, found: Shape::flat(256) });
}

#[test]
fn a_shape_numbers_its_values_row_by_row() {
    let shape = Shape::new(3, 4, 5);
    let all = (0..3).flat_map(|c| (0..4).flat_map(move |y| (0..5).map(move |x| (c, y, x))));
    for (i, (c, y, x)) in all.enumerate() {
        assert_eq!((shape.index(c, y, x), shape.position(i)), (i, (c, y, x)));
    }
}
