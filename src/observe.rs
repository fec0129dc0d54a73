//! Observing: for a stated time after its first start the service learns what is not known yet, instead of alarming.

use crate::rule::Span;
use serde::Deserialize;

/// The file in the state folder that holds the rules that were learned while observing.
pub use crate::policy::OBSERVED as FILE;

/// Nobody watches a host that is observed for longer.
const LONGEST: Span = Span::days(90);

/// For how long to observe: `"7d"`; `"none"` or no time at all is not to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Length(Option<Span>);

impl Length {
    /// The time, if any.
    #[must_use]
    pub const fn span(self) -> Option<Span> {
        self.0
    }
}

impl TryFrom<String> for Length {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        if written == "none" {
            return Ok(Self(None));
        }
        let span = Span::try_from(written)?;
        if span > LONGEST {
            return Err(format!(
                "\"{span}\" is too long: what is observed is not watched, write \"90d\" or less"
            ));
        }
        Ok(Self(Some(span).filter(|span| *span > Span::seconds(0))))
    }
}
