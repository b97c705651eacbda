//! From PostgreSQL's dialect to the library's, piece by piece.

use super::AreError;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// The highest number of repetitions that the server takes.
const MOST_REPEATS: u32 = 255;

/// Classes that some version has, besides those that are decided.
const OTHER_CLASSES: [&str; 8] = [
    "blank", "cntrl", "graph", "print", "word", "ascii", "<", ">",
];

/// An expression in the library's dialect.
#[derive(Debug)]
pub(super) struct Translated {
    /// The expression.
    pub(super) text: String,
    /// Pairs of capturing parentheses.
    pub(super) groups: usize,
    /// Bytes of `text` between the parentheses of the first, when it is the only one, outside every other and not repeated,
    /// and the whole has no alternatives.
    pub(super) simple_group: Option<(usize, usize)>,
    /// Where anchors stand in `text`.
    pub(super) anchors: Vec<usize>,
}

/// Translates; `None` when the two dialects may differ, an error when the server certainly refuses it.
pub(super) fn translate(source: &str) -> Result<Option<Translated>, AreError> {
    if let Some(literal) = source.strip_prefix("***=") {
        let mut text = String::new();
        literal.chars().for_each(|c| literally(c, &mut text));
        return Ok(Some(Translated {
            text,
            groups: 0,
            simple_group: None,
            anchors: Vec::new(),
        }));
    }
    let source = source.strip_prefix("***:").unwrap_or(source);
    // Other directors, and options in front.
    if source.starts_with("***") || is_options(source) {
        return Ok(None);
    }
    let mut translator = Translator {
        chars: source.chars().peekable(),
        text: String::new(),
        atom: Atom::None,
        open: Vec::new(),
        groups: 0,
        first: None,
        alternatives: false,
        anchors: Vec::new(),
        understood: true,
    };
    match translator.run() {
        // After something that is not understood, what looks wrong may be right.
        Err(error) if translator.understood => Err(error),
        _ => Ok(translator.finish()),
    }
}

fn is_options(source: &str) -> bool {
    source
        .strip_prefix("(?")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// What a quantifier would repeat.
#[derive(Clone, Copy, PartialEq)]
enum Atom {
    None,
    Whole,
    /// Something that is repeated already, or an anchor.
    Closed,
}

struct Group {
    /// Position of the first byte inside.
    start: usize,
    number: Option<usize>,
    outermost: bool,
}

struct Translator<'a> {
    chars: Peekable<Chars<'a>>,
    text: String,
    atom: Atom,
    open: Vec<Group>,
    groups: usize,
    /// Inside of the first group, and where it ends with its parenthesis.
    first: Option<(usize, usize)>,
    alternatives: bool,
    anchors: Vec<usize>,
    /// Still the same in both dialects. What follows is only read for what is certainly wrong.
    understood: bool,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), AreError> {
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.brackets()?,
                '(' => self.open(),
                ')' => self.close()?,
                '|' => {
                    self.alternatives |= self.open.is_empty();
                    self.text.push('|');
                    self.atom = Atom::None;
                }
                '*' | '+' | '?' => self.repeat(c)?,
                '{' if self.chars.peek().is_some_and(char::is_ascii_digit) => self.bound()?,
                '^' | '$' => {
                    self.anchors.push(self.text.len());
                    self.text.push_str(if c == '^' { r"\A" } else { r"\z" });
                    self.atom = Atom::Closed;
                }
                '.' => {
                    self.text.push('.');
                    self.atom = Atom::Whole;
                }
                c => self.literal(c),
            }
        }
        if self.open.is_empty() {
            Ok(())
        } else {
            Err(AreError("parentheses () not balanced"))
        }
    }

    fn finish(self) -> Option<Translated> {
        let alone = self.groups == 1 && !self.alternatives;
        self.understood.then_some(Translated {
            simple_group: self.first.filter(|_| alone),
            text: self.text,
            groups: self.groups,
            anchors: self.anchors,
        })
    }

    fn literal(&mut self, c: char) {
        // A quantifier would repeat the last byte of it only.
        if !c.is_ascii() && matches!(self.chars.peek(), Some('*' | '+' | '?' | '{')) {
            self.understood = false;
        }
        literally(c, &mut self.text);
        self.atom = Atom::Whole;
    }

    fn escape(&mut self) -> Result<(), AreError> {
        let Some(c) = self.chars.next() else {
            return Err(AreError("invalid escape \\ sequence"));
        };
        match c {
            c if !c.is_ascii() => self.understood = false,
            c if !c.is_ascii_alphanumeric() => self.literal(c),
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                let set = Set::shorthand(c);
                set.write(&mut self.text);
                self.atom = Atom::Whole;
            }
            _ => {
                self.understood = false;
                self.atom = Atom::Whole;
            }
        }
        Ok(())
    }

    fn open(&mut self) {
        let mut number = None;
        if self.chars.peek() == Some(&'?') {
            self.chars.next();
            if self.chars.next_if_eq(&':').is_none() {
                // Looking ahead and behind.
                self.understood = false;
                self.chars.next();
            }
            self.text.push_str("(?:");
        } else {
            self.groups += 1;
            number = Some(self.groups);
            self.text.push('(');
        }
        self.open.push(Group {
            start: self.text.len(),
            number,
            outermost: self.open.is_empty(),
        });
        self.atom = Atom::None;
    }

    fn close(&mut self) -> Result<(), AreError> {
        let Some(group) = self.open.pop() else {
            return Err(AreError("parentheses () not balanced"));
        };
        if group.number == Some(1) && group.outermost {
            self.first = Some((group.start, self.text.len()));
        }
        self.text.push(')');
        self.atom = Atom::Whole;
        Ok(())
    }

    fn repeat(&mut self, quantifier: char) -> Result<(), AreError> {
        if self.atom != Atom::Whole {
            return Err(AreError("quantifier operand invalid"));
        }
        self.text.push(quantifier);
        self.repeated();
        Ok(())
    }

    fn bound(&mut self) -> Result<(), AreError> {
        let least = self.number();
        let mut most = least;
        if self.chars.next_if_eq(&',').is_some() {
            most = if self.chars.peek().is_some_and(char::is_ascii_digit) {
                self.number()
            } else {
                None
            };
            let _ = match (least, most) {
                (Some(least), None) => write!(self.text, "{{{least},}}"),
                (Some(least), Some(most)) => write!(self.text, "{{{least},{most}}}"),
                (None, _) => Ok(()),
            };
        } else if let Some(least) = least {
            let _ = write!(self.text, "{{{least}}}");
        }
        let closed = self.chars.next_if_eq(&'}').is_some();
        let fits = least.is_some_and(|least| {
            least <= MOST_REPEATS && most.is_none_or(|most| most <= MOST_REPEATS && least <= most)
        });
        match (closed, self.chars.peek()) {
            (false, None) => return Err(AreError("braces {} not balanced")),
            (false, Some(_)) => self.understood = false,
            (true, _) if self.atom != Atom::Whole => {
                return Err(AreError("quantifier operand invalid"));
            }
            (true, _) if !fits => return Err(AreError("invalid repetition count(s)")),
            (true, _) => {}
        }
        self.repeated();
        Ok(())
    }

    /// After a quantifier: one that prefers less matches the same names.
    fn repeated(&mut self) {
        self.chars.next_if_eq(&'?');
        self.atom = Atom::Closed;
        if let Some((_, end)) = self.first
            && self.text.get(end..).is_some_and(|rest| {
                rest.strip_prefix(')')
                    .is_some_and(|rest| rest.starts_with(['*', '+', '?', '{']))
            })
        {
            self.first = None;
        }
    }

    /// A run of digits; too many of them are too high a number.
    fn number(&mut self) -> Option<u32> {
        let mut number: Option<u32> = None;
        while let Some(digit) = self.chars.peek().and_then(|c| c.to_digit(10)) {
            self.chars.next();
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
        }
        number
    }

    fn brackets(&mut self) -> Result<(), AreError> {
        const OPEN: AreError = AreError("brackets [] not balanced");
        let negated = self.chars.next_if_eq(&'^').is_some();
        let mut set = Set::default();
        let mut first = true;
        loop {
            let c = self.chars.next().ok_or(OPEN)?;
            let from = match c {
                ']' if !first => break,
                '[' if matches!(self.chars.peek(), Some(':' | '.' | '=')) => {
                    self.class(&mut set)?;
                    first = false;
                    continue;
                }
                '\\' => {
                    let c = self
                        .chars
                        .next()
                        .ok_or(AreError("invalid escape \\ sequence"))?;
                    match c {
                        'd' | 'w' | 's' => {
                            set.add(&Set::shorthand(c));
                            first = false;
                            continue;
                        }
                        c if !c.is_ascii_alphanumeric() => c,
                        _ => {
                            self.understood = false;
                            first = false;
                            continue;
                        }
                    }
                }
                c => c,
            };
            first = false;
            let mut to = from;
            let mut ahead = self.chars.clone();
            if ahead.next() == Some('-') && ahead.peek().is_some_and(|&c| c != ']') {
                self.chars.next();
                to = self.chars.next().ok_or(OPEN)?;
                // An end that is more than one plain character, and `a-c-e`.
                if matches!(to, '[' | '\\' | '-') || self.chars.peek() == Some(&'-') {
                    self.understood = false;
                }
            }
            if !(from.is_ascii() && to.is_ascii()) {
                self.understood = false;
            } else if from > to && self.understood {
                return Err(AreError("invalid character range"));
            }
            set.range(from, to);
        }
        if negated {
            set.negate();
        }
        if set.is_empty() {
            self.understood = false;
        }
        set.write(&mut self.text);
        self.atom = Atom::Whole;
        Ok(())
    }

    /// `[:alpha:]` and its kin after the inner bracket.
    fn class(&mut self, set: &mut Set) -> Result<(), AreError> {
        const OPEN: AreError = AreError("brackets [] not balanced");
        let kind = self.chars.next().ok_or(OPEN)?;
        let mut name = String::new();
        loop {
            let c = self.chars.next().ok_or(OPEN)?;
            if c == kind && self.chars.peek() == Some(&']') {
                self.chars.next();
                break;
            }
            name.push(c);
        }
        match Set::class(&name).filter(|_| kind == ':') {
            Some(class) => set.add(&class),
            None if kind == ':' && !OTHER_CLASSES.contains(&name.as_str()) => {
                return Err(AreError("invalid character class"));
            }
            None => self.understood = false,
        }
        // The end of a range, which it cannot be.
        if self.chars.peek() == Some(&'-') {
            self.understood = false;
        }
        Ok(())
    }
}

/// One character of a name, byte for byte.
fn literally(c: char, text: &mut String) {
    if c.is_ascii_alphanumeric() || c == '_' {
        text.push(c);
    } else {
        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

/// A set of bytes.
struct Set([bool; 256]);

impl Default for Set {
    fn default() -> Self {
        Self([false; 256])
    }
}

impl Set {
    fn of(is_in: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::default();
        for (slot, byte) in set.0.iter_mut().zip(0_u8..=255) {
            *slot = is_in(byte);
        }
        set
    }

    fn shorthand(c: char) -> Self {
        let mut set = match c.to_ascii_lowercase() {
            'd' => Self::of(|b| b.is_ascii_digit()),
            'w' => Self::of(|b| b.is_ascii_alphanumeric() || b == b'_'),
            _ => Self::of(is_space),
        };
        if c.is_ascii_uppercase() {
            set.negate();
        }
        set
    }

    fn class(name: &str) -> Option<Self> {
        Some(match name {
            "alpha" => Self::of(|b| b.is_ascii_alphabetic()),
            "digit" => Self::of(|b| b.is_ascii_digit()),
            "alnum" => Self::of(|b| b.is_ascii_alphanumeric()),
            "upper" => Self::of(|b| b.is_ascii_uppercase()),
            "lower" => Self::of(|b| b.is_ascii_lowercase()),
            "punct" => Self::of(|b| b.is_ascii_punctuation()),
            "xdigit" => Self::of(|b| b.is_ascii_hexdigit()),
            "space" => Self::of(is_space),
            _ => return None,
        })
    }

    fn add(&mut self, other: &Self) {
        for (slot, more) in self.0.iter_mut().zip(other.0) {
            *slot |= more;
        }
    }

    fn range(&mut self, from: char, to: char) {
        self.add(&Self::of(|b| (from..=to).contains(&char::from(b))));
    }

    fn negate(&mut self) {
        for slot in &mut self.0 {
            *slot = !*slot;
        }
    }

    fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }

    fn write(&self, text: &mut String) {
        text.push('[');
        for (_, byte) in self.0.iter().zip(0_u8..=255).filter(|(is_in, _)| **is_in) {
            let _ = write!(text, "\\x{byte:02x}");
        }
        text.push(']');
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}
