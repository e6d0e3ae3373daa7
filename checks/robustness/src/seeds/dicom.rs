//! Small DICOM films (PS3.5, PS3.10) in each transfer syntax that is read.

use super::{jpeg, picture};

/// How elements are written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Implicit,
    Explicit,
    Big,
}

fn short(form: Form, value: u16) -> [u8; 2] {
    if form == Form::Big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn long(form: Form, value: u32) -> [u8; 4] {
    if form == Form::Big { value.to_be_bytes() } else { value.to_le_bytes() }
}

/// An element; `length` is its own unless it has none, as encapsulated pixels and sequences do.
fn element(form: Form, (group, number): (u16, u16), vr: &str, value: &[u8], undefined: bool) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == "UI" { 0 } else { b' ' });
    }
    let length = if undefined { u32::MAX } else { value.len() as u32 };
    let mut out = [short(form, group), short(form, number)].concat();
    if form == Form::Implicit {
        out.extend(long(form, length));
    } else {
        out.extend(vr.as_bytes());
        if ["OW", "OB", "SQ"].contains(&vr) {
            out.extend([0, 0]);
            out.extend(long(form, length));
        } else {
            out.extend(short(form, length as u16));
        }
    }
    out.extend(value);
    out
}

/// A film under construction.
struct Film {
    form: Form,
    syntax: &'static str,
    /// Columns.
    width: u16,
    allocated: u16,
    stored: u16,
}

impl Film {
    fn text(&self, tag: (u16, u16), vr: &str, value: &str) -> Vec<u8> {
        element(self.form, tag, vr, value.as_bytes(), false)
    }

    fn number(&self, number: u16, value: u16) -> Vec<u8> {
        element(self.form, (0x0028, number), "US", &short(self.form, value), false)
    }

    /// An item of a sequence.
    fn item(&self, content: &[u8]) -> Vec<u8> {
        let tag = [short(self.form, 0xfffe), short(self.form, 0xe000)].concat();
        [tag, long(self.form, content.len() as u32).to_vec(), content.to_vec()].concat()
    }

    /// What ends a sequence without a length.
    fn end(&self) -> Vec<u8> {
        [short(self.form, 0xfffe), short(self.form, 0xe0dd), [0; 2], [0; 2]].concat()
    }

    fn write(&self, pixels: &[u8]) -> Vec<u8> {
        let class = "1.2.840.10008.5.1.4.1.1.1.1";
        let meta = |tag, vr: &str, value: &[u8]| element(Form::Explicit, (0x0002, tag), vr, value, false);
        let head = [
            meta(0x0001, "OB", &[0, 1]),
            meta(0x0002, "UI", class.as_bytes()),
            meta(0x0003, "UI", b"1.2.3.4"),
            meta(0x0010, "UI", self.syntax.as_bytes()),
            meta(0x0012, "UI", b"1.2.3"),
        ]
        .concat();
        let shift = 16 - self.stored;
        let table: Vec<u8> = (0..1u16 << self.stored).flat_map(|entry| short(self.form, entry << shift)).collect();
        let lut = [
            element(self.form, (0x0028, 0x3002), "US", &[1 << self.stored, 0, 16].map(|v| short(self.form, v)).concat(), false),
            element(self.form, (0x0028, 0x3006), "OW", &table, false),
        ]
        .concat();
        // All levels that the bits can hold.
        let (centre, width) = (1u32 << (self.stored - 1), 1u32 << self.stored);
        let views = self.text((0x0008, 0x0100), "SH", "R-10214");
        let side = picture::SIDE as u16;
        let body = [
            self.text((0x0008, 0x0005), "CS", "ISO_IR 192"),
            self.text((0x0008, 0x0016), "UI", class),
            self.text((0x0008, 0x0018), "UI", "1.2.3.4"),
            self.text((0x0008, 0x0060), "CS", "DX"),
            self.text((0x0010, 0x0010), "PN", "Nobody^Drawn"),
            self.text((0x0018, 0x5101), "CS", "PA"),
            self.text((0x0020, 0x000d), "UI", "1.2.3.5"),
            self.text((0x0020, 0x000e), "UI", "1.2.3.6"),
            self.number(0x0002, 1),
            self.text((0x0028, 0x0004), "CS", "MONOCHROME2"),
            self.number(0x0010, side),
            self.number(0x0011, self.width),
            self.number(0x0100, self.allocated),
            self.number(0x0101, self.stored),
            self.number(0x0102, self.stored - 1),
            self.number(0x0103, 0),
            self.text((0x0028, 0x1050), "DS", &centre.to_string()),
            self.text((0x0028, 0x1051), "DS", &width.to_string()),
            self.text((0x0028, 0x1052), "DS", "0"),
            self.text((0x0028, 0x1053), "DS", "1"),
            element(self.form, (0x0028, 0x3010), "SQ", &self.item(&lut), false),
            element(self.form, (0x0054, 0x0220), "SQ", &[self.item(&views), self.end()].concat(), true),
            pixels.to_vec(),
        ]
        .concat();
        let length = meta(0x0000, "UL", &(head.len() as u32).to_le_bytes());
        [vec![0; 128], b"DICM".to_vec(), length, head, body].concat()
    }

    fn native(&self, bytes: &[u8]) -> Vec<u8> {
        self.write(&element(self.form, (0x7fe0, 0x0010), "OW", bytes, false))
    }

    /// Pixels in fragments: an empty table of offsets, then one frame.
    fn encapsulated(&self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        frame.resize(frame.len().next_multiple_of(2), 0);
        let pixels = [self.item(&[]), self.item(&frame), self.end()].concat();
        self.write(&element(self.form, (0x7fe0, 0x0010), "OB", &pixels, true))
    }
}

/// A frame of one plane in DICOM's run-length encoding, in literal runs.
fn rle(plane: &[u8]) -> Vec<u8> {
    let mut stream = [1u32.to_le_bytes(), 64u32.to_le_bytes()].concat();
    stream.resize(64, 0);
    for run in plane.chunks(100) {
        stream.push(run.len() as u8 - 1);
        stream.extend(run);
    }
    stream
}

/// The data set of a file of [`Film`] in explicit VR little endian or implicit, without its meta information.
fn data_set(file: &[u8]) -> Vec<u8> {
    const FIRST: [u8; 4] = [8, 0, 5, 0];
    let at = file.windows(FIRST.len()).position(|window| window == FIRST).unwrap_or(0);
    file.get(at..).unwrap_or_default().to_vec()
}

/// A deflated stream (RFC 1951) of blocks that are stored as they are.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let blocks = bytes.chunks(50_000);
    let last = blocks.len().saturating_sub(1);
    let block = |(number, block): (usize, &[u8])| {
        let length = block.len() as u16;
        [vec![u8::from(number == last)], length.to_le_bytes().to_vec(), (!length).to_le_bytes().to_vec(), block.to_vec()].concat()
    };
    blocks.enumerate().flat_map(block).collect()
}

/// A private element as a converter writes it that does not know it: UN of undefined length, implicit inside.
fn unknown() -> Vec<u8> {
    let film = Film { form: Form::Implicit, syntax: "", width: 0, allocated: 16, stored: 8 };
    let inside = [film.item(&film.text((0x0009, 0x1001), "", "AB")), film.end()].concat();
    let nested = element(Form::Implicit, (0x0009, 0x1003), "", &inside, true);
    let header = [&[0x09, 0, 0x02, 0x10][..], b"UN\0\0", &[0xff; 4]].concat();
    [header, film.item(&nested), film.end()].concat()
}

/// A film in each encoding.
pub(crate) fn films() -> Vec<Vec<u8>> {
    let side = picture::SIDE;
    let levels = picture::levels(side, side);
    let words: Vec<u16> = levels.iter().map(|level| u16::from(*level) * 16).collect();
    let native = |form, syntax| {
        let bytes: Vec<u8> = levels.iter().flat_map(|level| short(form, u16::from(*level))).collect();
        Film { form, syntax, width: side as u16, allocated: 16, stored: 8 }.native(&bytes)
    };
    let fragment = |syntax, allocated, stored, frame: &[u8]| {
        Film { form: Form::Explicit, syntax, width: side as u16, allocated, stored }.encapsulated(frame)
    };
    let greys = picture::levels(side / 8, side / 8);
    let (implicit, explicit) = (native(Form::Implicit, "1.2.840.10008.1.2"), native(Form::Explicit, "1.2.840.10008.1.2.1"));
    let name = [0x10, 0, 0x10, 0, b'P', b'N'];
    let private = explicit.windows(name.len()).position(|window| window == name).unwrap_or(0);
    let mut with_unknown = explicit.clone();
    with_unknown.splice(private..private, unknown());
    let mut in_deflated = native(Form::Explicit, "1.2.840.10008.1.2.1.99");
    let body = data_set(&in_deflated);
    in_deflated.truncate(in_deflated.len() - body.len());
    in_deflated.extend(deflated(&data_set(&with_unknown)));
    vec![
        data_set(&implicit),
        data_set(&explicit),
        implicit,
        explicit,
        with_unknown,
        in_deflated,
        native(Form::Big, "1.2.840.10008.1.2.2"),
        fragment("1.2.840.10008.1.2.5", 8, 8, &rle(&levels)),
        fragment("1.2.840.10008.1.2.4.50", 8, 8, &jpeg::baseline(side / 8, &greys, 1)),
        fragment("1.2.840.10008.1.2.4.70", 16, 12, &jpeg::lossless(side, 12, &words)),
    ]
}

const PART_1: &str = "1.2.840.10008.1.2.4.90";
const HIGH_THROUGHPUT: &str = "1.2.840.10008.1.2.4.203";

/// Streams of JPEG 2000 in a film; those of the imaging package's tests.
pub(crate) fn jpeg2000() -> Vec<Vec<u8>> {
    let film = |stream: &[u8], allocated, stored| {
        let syntax = if stream.windows(2).any(|marker| marker == [0xff, 0x50]) { HIGH_THROUGHPUT } else { PART_1 };
        Film { form: Form::Explicit, syntax, width: 144, allocated, stored }.encapsulated(stream)
    };
    vec![
        film(include_bytes!("../../../../encoder/imaging/tests/vectors/lossy8.j2k"), 8, 8),
        film(include_bytes!("../../../../encoder/imaging/tests/vectors/grey12.j2k"), 16, 12),
        film(include_bytes!("../../../../encoder/imaging/tests/vectors/tiled8.j2k"), 8, 8),
        film(include_bytes!("../../../../encoder/imaging/tests/vectors/ht12.j2c"), 16, 12),
        film(include_bytes!("../../../../encoder/imaging/tests/vectors/ht-lossy8.j2c"), 8, 8),
    ]
}
