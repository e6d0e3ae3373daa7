//! The DICOM attributes that ingest reads. Every other one, the patient's above all, is stepped over unread. What a
//! Segmentation ([`crate::seg`]) copies of patient and study is a list of its own.

use serde::{Serialize, Serializer};
use std::fmt;

/// A DICOM attribute: its tag and its keyword in the standard's dictionary (PS3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    group: u16,
    element: u16,
    keyword: &'static str,
}

impl Attribute {
    const fn new(group: u16, element: u16, keyword: &'static str) -> Self {
        Self { group, element, keyword }
    }

    /// Group and element number.
    pub const fn tag(self) -> (u16, u16) {
        (self.group, self.element)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04X},{:04X}) {}", self.group, self.element, self.keyword)
    }
}

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

macro_rules! attributes {
    ($visibility:vis, $($name:ident = $group:literal, $element:literal, $keyword:literal;)*) => {
        $(
            #[doc = $keyword]
            $visibility const $name: Attribute = Attribute::new($group, $element, $keyword);
        )*
        /// Every attribute of this list.
        pub(crate) const ALL: &[Attribute] = &[$($name),*];
    };
}

attributes! {
    pub,
    TRANSFER_SYNTAX_UID = 0x0002, 0x0010, "TransferSyntaxUID";
    IMAGE_TYPE = 0x0008, 0x0008, "ImageType";
    SOP_CLASS_UID = 0x0008, 0x0016, "SOPClassUID";
    MODALITY = 0x0008, 0x0060, "Modality";
    PRESENTATION_INTENT_TYPE = 0x0008, 0x0068, "PresentationIntentType";
    CODE_VALUE = 0x0008, 0x0100, "CodeValue";
    CODING_SCHEME_DESIGNATOR = 0x0008, 0x0102, "CodingSchemeDesignator";
    LONG_CODE_VALUE = 0x0008, 0x0119, "LongCodeValue";
    URN_CODE_VALUE = 0x0008, 0x0120, "URNCodeValue";
    DERIVATION_DESCRIPTION = 0x0008, 0x2111, "DerivationDescription";
    ANATOMIC_REGION_SEQUENCE = 0x0008, 0x2218, "AnatomicRegionSequence";
    ANATOMICAL_ORIENTATION_TYPE = 0x0010, 0x2210, "AnatomicalOrientationType";
    BODY_PART_EXAMINED = 0x0018, 0x0015, "BodyPartExamined";
    IMAGER_PIXEL_SPACING = 0x0018, 0x1164, "ImagerPixelSpacing";
    TOMO_LAYER_HEIGHT = 0x0018, 0x1460, "TomoLayerHeight";
    TOMO_CLASS = 0x0018, 0x1491, "TomoClass";
    SHUTTER_SHAPE = 0x0018, 0x1600, "ShutterShape";
    SHUTTER_LEFT_VERTICAL_EDGE = 0x0018, 0x1602, "ShutterLeftVerticalEdge";
    SHUTTER_RIGHT_VERTICAL_EDGE = 0x0018, 0x1604, "ShutterRightVerticalEdge";
    SHUTTER_UPPER_HORIZONTAL_EDGE = 0x0018, 0x1606, "ShutterUpperHorizontalEdge";
    SHUTTER_LOWER_HORIZONTAL_EDGE = 0x0018, 0x1608, "ShutterLowerHorizontalEdge";
    CENTER_OF_CIRCULAR_SHUTTER = 0x0018, 0x1610, "CenterOfCircularShutter";
    RADIUS_OF_CIRCULAR_SHUTTER = 0x0018, 0x1612, "RadiusOfCircularShutter";
    VERTICES_OF_THE_POLYGONAL_SHUTTER = 0x0018, 0x1620, "VerticesOfThePolygonalShutter";
    SHUTTER_PRESENTATION_VALUE = 0x0018, 0x1622, "ShutterPresentationValue";
    NOMINAL_SCANNED_PIXEL_SPACING = 0x0018, 0x2010, "NominalScannedPixelSpacing";
    VIEW_POSITION = 0x0018, 0x5101, "ViewPosition";
    PATIENT_ORIENTATION = 0x0020, 0x0020, "PatientOrientation";
    SAMPLES_PER_PIXEL = 0x0028, 0x0002, "SamplesPerPixel";
    PHOTOMETRIC_INTERPRETATION = 0x0028, 0x0004, "PhotometricInterpretation";
    NUMBER_OF_FRAMES = 0x0028, 0x0008, "NumberOfFrames";
    ROWS = 0x0028, 0x0010, "Rows";
    COLUMNS = 0x0028, 0x0011, "Columns";
    PLANAR_CONFIGURATION = 0x0028, 0x0006, "PlanarConfiguration";
    PIXEL_SPACING = 0x0028, 0x0030, "PixelSpacing";
    PIXEL_ASPECT_RATIO = 0x0028, 0x0034, "PixelAspectRatio";
    BITS_ALLOCATED = 0x0028, 0x0100, "BitsAllocated";
    BITS_STORED = 0x0028, 0x0101, "BitsStored";
    HIGH_BIT = 0x0028, 0x0102, "HighBit";
    PIXEL_REPRESENTATION = 0x0028, 0x0103, "PixelRepresentation";
    PIXEL_PADDING_VALUE = 0x0028, 0x0120, "PixelPaddingValue";
    PIXEL_PADDING_RANGE_LIMIT = 0x0028, 0x0121, "PixelPaddingRangeLimit";
    QUALITY_CONTROL_IMAGE = 0x0028, 0x0300, "QualityControlImage";
    BURNED_IN_ANNOTATION = 0x0028, 0x0301, "BurnedInAnnotation";
    PIXEL_INTENSITY_RELATIONSHIP_SIGN = 0x0028, 0x1041, "PixelIntensityRelationshipSign";
    WINDOW_CENTER = 0x0028, 0x1050, "WindowCenter";
    WINDOW_WIDTH = 0x0028, 0x1051, "WindowWidth";
    RESCALE_INTERCEPT = 0x0028, 0x1052, "RescaleIntercept";
    RESCALE_SLOPE = 0x0028, 0x1053, "RescaleSlope";
    VOI_LUT_FUNCTION = 0x0028, 0x1056, "VOILUTFunction";
    MODALITY_LUT_SEQUENCE = 0x0028, 0x3000, "ModalityLUTSequence";
    LUT_DESCRIPTOR = 0x0028, 0x3002, "LUTDescriptor";
    LUT_DATA = 0x0028, 0x3006, "LUTData";
    VOI_LUT_SEQUENCE = 0x0028, 0x3010, "VOILUTSequence";
    VIEW_CODE_SEQUENCE = 0x0054, 0x0220, "ViewCodeSequence";
    PRESENTATION_LUT_SEQUENCE = 0x2050, 0x0010, "PresentationLUTSequence";
    PRESENTATION_LUT_SHAPE = 0x2050, 0x0020, "PresentationLUTShape";
    RED_PALETTE_DESCRIPTOR = 0x0028, 0x1101, "RedPaletteColorLookupTableDescriptor";
    GREEN_PALETTE_DESCRIPTOR = 0x0028, 0x1102, "GreenPaletteColorLookupTableDescriptor";
    BLUE_PALETTE_DESCRIPTOR = 0x0028, 0x1103, "BluePaletteColorLookupTableDescriptor";
    RED_PALETTE_DATA = 0x0028, 0x1201, "RedPaletteColorLookupTableData";
    GREEN_PALETTE_DATA = 0x0028, 0x1202, "GreenPaletteColorLookupTableData";
    BLUE_PALETTE_DATA = 0x0028, 0x1203, "BluePaletteColorLookupTableData";
    SEGMENTED_RED_PALETTE_DATA = 0x0028, 0x1221, "SegmentedRedPaletteColorLookupTableData";
    SEGMENTED_GREEN_PALETTE_DATA = 0x0028, 0x1222, "SegmentedGreenPaletteColorLookupTableData";
    SEGMENTED_BLUE_PALETTE_DATA = 0x0028, 0x1223, "SegmentedBluePaletteColorLookupTableData";
    FLOAT_PIXEL_DATA = 0x7FE0, 0x0008, "FloatPixelData";
    DOUBLE_FLOAT_PIXEL_DATA = 0x7FE0, 0x0009, "DoubleFloatPixelData";
    PIXEL_DATA = 0x7FE0, 0x0010, "PixelData";
}

/// What a Segmentation copies from its film, so that an archive files the two together ([`crate::seg`]). Ingest itself reads none of it.
pub(crate) mod filing {
    use super::Attribute;

    attributes! {
        pub(crate),
        SPECIFIC_CHARACTER_SET = 0x0008, 0x0005, "SpecificCharacterSet";
        SOP_CLASS_UID = 0x0008, 0x0016, "SOPClassUID";
        SOP_INSTANCE_UID = 0x0008, 0x0018, "SOPInstanceUID";
        STUDY_DATE = 0x0008, 0x0020, "StudyDate";
        STUDY_TIME = 0x0008, 0x0030, "StudyTime";
        ACCESSION_NUMBER = 0x0008, 0x0050, "AccessionNumber";
        REFERRING_PHYSICIAN_NAME = 0x0008, 0x0090, "ReferringPhysicianName";
        STUDY_DESCRIPTION = 0x0008, 0x1030, "StudyDescription";
        PATIENT_NAME = 0x0010, 0x0010, "PatientName";
        PATIENT_ID = 0x0010, 0x0020, "PatientID";
        ISSUER_OF_PATIENT_ID = 0x0010, 0x0021, "IssuerOfPatientID";
        PATIENT_BIRTH_DATE = 0x0010, 0x0030, "PatientBirthDate";
        PATIENT_SEX = 0x0010, 0x0040, "PatientSex";
        PATIENT_AGE = 0x0010, 0x1010, "PatientAge";
        BODY_PART_EXAMINED = 0x0018, 0x0015, "BodyPartExamined";
        STUDY_INSTANCE_UID = 0x0020, 0x000D, "StudyInstanceUID";
        SERIES_INSTANCE_UID = 0x0020, 0x000E, "SeriesInstanceUID";
        STUDY_ID = 0x0020, 0x0010, "StudyID";
        PATIENT_ORIENTATION = 0x0020, 0x0020, "PatientOrientation";
        FRAME_OF_REFERENCE_UID = 0x0020, 0x0052, "FrameOfReferenceUID";
        POSITION_REFERENCE_INDICATOR = 0x0020, 0x1040, "PositionReferenceIndicator";
        LOSSY_IMAGE_COMPRESSION = 0x0028, 0x2110, "LossyImageCompression";
        LOSSY_IMAGE_COMPRESSION_RATIO = 0x0028, 0x2112, "LossyImageCompressionRatio";
        LOSSY_IMAGE_COMPRESSION_METHOD = 0x0028, 0x2114, "LossyImageCompressionMethod";
    }
}
