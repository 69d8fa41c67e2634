//! What is wrong with a configuration, told so that a person can mend it: the place, the key, the value,
//! what is allowed, and the nearest known name.
//!
//! Knows no key; `keys` does.

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// One problem. `Display` is one line with file, line and column where there is a file; as a `miette`
/// diagnostic it shows the place in the file's text.
#[derive(Debug)]
pub struct Problem {
    message: String,
    help: Option<String>,
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    source: NamedSource<String>,
    span: std::ops::Range<usize>,
    /// Counted from 1.
    line: usize,
    /// In characters, counted from 1.
    column: usize,
}

/// Every problem found in one configuration; never empty.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// A problem without a place in a file.
    pub fn plain(message: String) -> Self {
        Self::with_help(message, None)
    }

    /// A problem without a place in a file, and the way out if there is one.
    pub fn with_help(message: String, help: Option<String>) -> Self {
        Self { message, help, place: None }
    }

    /// The problem at bytes `span` of the file `name`.
    pub(super) fn at(mut self, name: &str, text: &str, span: std::ops::Range<usize>) -> Self {
        let start = (0..=span.start.min(text.len())).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.place = Some(Place {
            source: NamedSource::new(name, text.to_owned()),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span,
        });
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:{}:{}: ", place.source.name(), place.line, place.column)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(place.span.clone()))))
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Diagnostic for Problems {}

impl Problems {
    /// The problems as a terminal shows them: the place in the file's text, underlined.
    pub fn into_reports(self) -> Vec<miette::Report> {
        self.0.into_iter().map(miette::Report::new).collect()
    }
}

/// The known name most like `word`, if one is like it at all: a typing slip, or the same letters in
/// another order.
pub(super) fn nearest(word: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        .map(|name| (strsim::normalized_damerau_levenshtein(word, &name), name))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
