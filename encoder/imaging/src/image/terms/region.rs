//! The part of the body, in the words and codes of DICOM.

/// What BodyPartExamined or AnatomicRegionSequence says, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyPart {
    /// The chest, or a part of it.
    Chest,
    /// Another part, by its defined term.
    Other(&'static str),
}

/// The chest, what lies in its film, and what it is a part of, in SNOMED CT and SNOMED RT (PS3.16 CID 4009, 4031).
const CHEST: &str = "51185008 T-D3000 816094009 302551006 43799004 T-D3400 78904004 T-D3050 39607008 T-28000 3341006 T-28100 44029006 \
    T-28500 86598002 T-280A0 72410000 T-D3300 955009 T-26000 44567001 T-25000 80891009 T-32000 113197003 T-11300 56873002 T-11210 \
    416550000 R-FAB55 416775004 R-FAB56 417437006 R-FAB52 416152001 R-FAB53 416319003 R-FAB54";

/// Other parts (the same tables).
const OTHERS: &[(&str, &str, &str)] = &[
    ("818981001", "T-D4000", "ABDOMEN"),
    ("113345001", "T-D4000", "ABDOMEN"),
    ("818982008", "R-FAB57", "ABDOMEN"),
    ("70258002", "T-15750", "ANKLE"),
    ("40983000", "T-D8200", "ARM"),
    ("53120007", "T-D8000", "ARM"),
    ("76752008", "T-04000", "BREAST"),
    ("122494005", "T-11501", "CSPINE"),
    ("51299004", "T-12310", "CLAVICLE"),
    ("16953009", "T-15430", "ELBOW"),
    ("66019005", "T-D0300", "EXTREMITY"),
    ("71341001", "T-12710", "FEMUR"),
    ("56459004", "T-D9700", "FOOT"),
    ("14975008", "T-D8500", "FOREARM"),
    ("85562004", "T-D8700", "HAND"),
    ("69536005", "T-D1100", "HEAD"),
    ("24136001", "T-15710", "HIP"),
    ("29836001", "T-D2500", "HIP"),
    ("85050009", "T-12410", "HUMERUS"),
    ("72696002", "T-D9200", "KNEE"),
    ("61685007", "T-D9000", "LEG"),
    ("30021000", "T-D9400", "LEG"),
    ("122496007", "T-11503", "LSPINE"),
    ("45048000", "T-D1600", "NECK"),
    ("816092008", "T-D6000", "PELVIS"),
    ("12921003", "T-D6000", "PELVIS"),
    ("706342009", "R-FE0C7", "PHANTOM"),
    ("79601000", "T-12280", "SCAPULA"),
    ("16982005", "T-D2220", "SHOULDER"),
    ("89546000", "T-11100", "SKULL"),
    ("421060004", "T-D04FF", "SPINE"),
    ("122495006", "T-11502", "TSPINE"),
    ("38266002", "T-D0010", "WHOLEBODY"),
    ("74670003", "T-15460", "WRIST"),
];

impl BodyPart {
    const TERMS: &'static str = "ABDOMEN ANKLE ARM BREAST CSPINE ELBOW EXTREMITY FEMUR FOOT HAND HEAD HIP KNEE LEG LSPINE NECK PELVIS \
        SHOULDER SKULL SPINE TSPINE WRIST";

    /// Reads a term of BodyPartExamined.
    pub(crate) fn parse(term: &str) -> Option<Self> {
        if ["CHEST", "THORAX", "LUNG", "RIB"].iter().any(|part| term.contains(part)) {
            return Some(Self::Chest);
        }
        Self::TERMS.split(' ').find(|&known| known == term).map(Self::Other)
    }

    /// The part of a SNOMED code.
    pub(crate) fn by_code(value: &str) -> Option<Self> {
        if CHEST.split(' ').any(|code| code == value) {
            return Some(Self::Chest);
        }
        OTHERS.iter().find(|(sct, srt, _)| value == *sct || value == *srt).map(|&(.., term)| Self::Other(term))
    }

    /// The defined term; every part of the chest is `CHEST`.
    pub(crate) fn term(self) -> &'static str {
        match self {
            Self::Chest => "CHEST",
            Self::Other(term) => term,
        }
    }
}
