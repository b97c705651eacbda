//! The rules over tokens.

use super::MARK;
use super::clause::{begins_clause, compares, ends_item, is_plain};
use super::fields::json_string_end;
use super::inside;
use super::lex::{Kind, Token, tokens};
use super::names::{is_secret, is_secret_call, is_secret_setting};
use super::view::{Quoting, View};
use super::words;
use aho_corasick::{AhoCorasick, MatchKind};
use std::ops::Range;

/// How deep literals within literals are followed; what lies deeper goes as a whole.
const DEEPEST: u32 = 8;

/// Secrets shorter than this are not looked for a second time: they would be found in every word.
const SHORTEST: usize = 4;

/// What was cut because it may be a secret is looked for when it has this many bytes: it may be any word.
const SHORTEST_DOUBTFUL: usize = 8;

/// As much of a long secret as is enough to find it again.
const LONGEST: usize = 256;

/// What was found in a record.
#[derive(Default)]
pub(super) struct Findings {
    /// In the piece, in no order.
    pub(super) ranges: Vec<Range<usize>>,
    /// The secrets themselves, to be found where the server repeats them.
    pub(super) values: Vec<Vec<u8>>,
    /// A secret is handed over as a parameter.
    pub(super) parameters: bool,
}

impl Findings {
    /// Cuts a secret.
    pub(super) fn cut(&mut self, view: &View, range: Range<usize>) {
        self.cut_and_know(view, range, SHORTEST);
    }

    /// Cuts, and remembers what has this many bytes, to find it elsewhere.
    fn cut_and_know(&mut self, view: &View, range: Range<usize>, shortest: usize) {
        let text = view.text().get(range.clone()).unwrap_or_default();
        if text.is_empty() || text == MARK {
            return;
        }
        if text.len() >= shortest {
            let known = text.get(..LONGEST).unwrap_or(text);
            self.values.push(known.to_vec());
        }
        self.ranges.push(view.source(range));
    }
}

/// How a text is read.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// A double quote begins a name.
    names: bool,
    /// A backslash escapes in every string.
    backslash: bool,
    depth: u32,
}

impl Reading {
    /// As the server reads a statement.
    pub(super) const STATEMENT: Self = Self {
        names: true,
        backslash: false,
        depth: 0,
    };
    /// A sentence that has a statement between double quotes.
    const QUOTED: Self = Self {
        names: false,
        ..Self::STATEMENT
    };
}

/// A searcher for secrets that were found; `None` when there is nothing to search for.
pub(super) fn repeated(values: &[Vec<u8>]) -> Option<AhoCorasick> {
    if values.is_empty() {
        return None;
    }
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(values)
        .ok()
}

/// Reads a sentence: as a whole, and what follows its first colon (`execute fetch: SELECT ..`).
pub(super) fn read_prose(view: &View, reading: Reading, found: &mut Findings) {
    read(view, reading, found);
    inside::connection(view, false, found);
    if let Some(colon) = memchr::memmem::find(view.text(), b": ") {
        let rest = view.within(colon + 2..view.text().len(), Quoting::Plain);
        read(&rest, reading, found);
    }
}

/// Reads a sentence that quotes statements in double quotes, as they are: `SQL statement "SELECT "a""`.
pub(super) fn read_quoting(view: &View, found: &mut Findings) {
    read_prose(view, Reading::STATEMENT, found);
    read_prose(view, Reading::QUOTED, found);
    let text = view.text();
    let mut starts: Vec<usize> = [
        &b" statement \""[..],
        b" expression \"",
        b" assignment \"",
        b" query \"",
    ]
    .iter()
    .flat_map(|words| memchr::memmem::find_iter(text, words).map(|at| at + words.len()))
    .chain(memchr::memchr(b'"', text).map(|at| at + 1))
    .collect();
    starts.sort_unstable();
    starts.dedup();
    starts.push(text.len());
    for pair in starts.windows(2) {
        if let [start, end] = *pair {
            let statement = view.within(start..end, Quoting::Plain);
            read(&statement, Reading::STATEMENT, found);
        }
    }
}

/// pgaudit's PARAMETER: with one secret in it all of it goes, because its fields are quoted once more.
pub(super) fn read_parameters(view: &View, found: &mut Findings) {
    let text = view.text();
    let reason = text.starts_with(b"<") && text.ends_with(b">");
    if text.is_empty() || reason {
        return;
    }
    let secret = found.parameters || {
        let mut own = Findings::default();
        read(view, Reading::STATEMENT, &mut own);
        let open = inside::connection(view, true, &mut own);
        let named = text
            .split(|&byte| byte == b',')
            .any(|item| is_secret_setting(item) && !item.contains(&b' '));
        named || open || !own.ranges.is_empty() || own.parameters
    };
    if secret {
        found.cut(view, 0..text.len());
    }
}

/// Reads a text as SQL, in both ways that a backslash can be meant.
pub(super) fn read(view: &View, reading: Reading, found: &mut Findings) {
    if !words::within(view.text()) {
        return;
    }
    scan(view, reading, found);
    if memchr::memmem::find(view.text(), b"\\'").is_some() {
        let reading = Reading {
            backslash: true,
            ..reading
        };
        scan(view, reading, found);
    }
}

/// Reads a text in one way. True when it has a secret's place without the secret: it is put in by what is around this text.
fn scan(view: &View, reading: Reading, found: &mut Findings) -> bool {
    if reading.depth > DEEPEST {
        found.cut(view, 0..view.text().len());
        return false;
    }
    inside::looks(view, found);
    let all = tokens(view.text(), reading.backslash, reading.names);
    for comment in all.iter().filter(|token| token.kind == Kind::Comment) {
        nested(view, comment, reading, found);
    }
    let code: Vec<Token> = all
        .into_iter()
        .filter(|token| token.kind != Kind::Comment)
        .collect();
    let mut reader = Reader {
        view,
        reading,
        templates: vec![false; code.len()],
        code,
        found,
        open: false,
        scanned: 0,
    };
    reader.literals();
    for statement in reader.statements() {
        reader.statement(&statement);
    }
    reader.put_together();
    reader.open
}

/// Reads what stands in a token, one layer of quoting further in.
fn nested(view: &View, token: &Token, reading: Reading, found: &mut Findings) -> bool {
    let raw = view.text().get(token.content.clone()).unwrap_or_default();
    if !words::within(raw) {
        return false;
    }
    let quoting = match token.kind {
        Kind::Text(quoting) => quoting,
        Kind::Name => Quoting::Doubled(b'"'),
        _ => Quoting::Plain,
    };
    // Without what makes it a comment, or it would be one again.
    let signs = match token.kind {
        Kind::Comment => raw.iter().take_while(|byte| b"-/*".contains(byte)).count(),
        _ => 0,
    };
    let content = view.within(token.content.start + signs..token.content.end, quoting);
    let within = Reading {
        names: true,
        depth: reading.depth + 1,
        ..reading
    };
    let open = token.kind != Kind::Comment && inside::connection(&content, true, found);
    scan(&content, within, found) | open
}

struct Reader<'a, 'f> {
    view: &'a View,
    reading: Reading,
    code: Vec<Token>,
    /// Which literals have a secret's place without the secret.
    templates: Vec<bool>,
    found: &'f mut Findings,
    open: bool,
    /// Tokens before this one were cut already by the rule for what follows a name.
    scanned: usize,
}

impl Reader<'_, '_> {
    fn literals(&mut self) {
        for at in 0..self.code.len() {
            let Some(token) = self.code.get(at).cloned() else {
                return;
            };
            let content = self.content(&token);
            match token.kind {
                Kind::Text(_) | Kind::Dollar => {
                    let open = nested(self.view, &token, self.reading, self.found);
                    if let Some(template) = self.templates.get_mut(at) {
                        *template = open;
                    }
                    self.open |= open;
                }
                // A name with blanks or signs in it is a sentence that quotes something.
                Kind::Name if content.iter().any(|byte| b" '=:".contains(byte)) => {
                    nested(self.view, &token, self.reading, self.found);
                }
                _ => {}
            }
        }
    }

    /// The tokens between semicolons.
    fn statements(&self) -> Vec<Range<usize>> {
        let mut statements = Vec::new();
        let mut start = 0;
        for (at, token) in self.code.iter().enumerate() {
            if token.kind == Kind::Mark(b';') {
                statements.push(start..at);
                start = at + 1;
            }
        }
        statements.push(start..self.code.len());
        statements
    }

    fn statement(&mut self, statement: &Range<usize>) {
        let about = self.about(statement);
        if about.secret_target {
            self.cut_literals(statement.clone());
        }
        for at in statement.clone() {
            let Some(token) = self.code.get(at).cloned() else {
                return;
            };
            let content = self.content(&token).to_vec();
            match token.kind {
                Kind::Word | Kind::Name => {
                    let called = self.kind(at + 1) == Some(Kind::Mark(b'('));
                    let word = content.to_ascii_lowercase();
                    if called && word == b"set_config" {
                        self.set_config(at, statement.end);
                    } else if called && is_secret_call(&word) && !self.is_table(at) {
                        self.call(at, statement.end);
                    }
                    if word == b"set" && !about.updates {
                        self.setting(at, statement.end);
                    }
                    if is_secret(&word) {
                        self.name(at, statement, &about);
                    }
                }
                Kind::Text(_) if is_plain(&content) && is_secret(&content) => {
                    self.name_in_literal(at, statement.end);
                }
                _ => {}
            }
        }
    }

    fn about(&self, statement: &Range<usize>) -> About {
        let mut about = About::default();
        let mut before: Vec<u8> = Vec::new();
        for at in statement.clone() {
            let word = self.word(at);
            if matches!(before.as_slice(), b"create" | b"alter")
                && matches!(
                    word.as_slice(),
                    b"role" | b"user" | b"group" | b"server" | b"subscription" | b"foreign"
                )
            {
                about.role = true;
            }
            let inserts = before == b"insert" && word == b"into";
            let merges = before == b"merge" && word == b"into";
            if inserts || merges || word == b"update" {
                about.updates |= word == b"update" || merges;
                about.writes.get_or_insert(at);
                about.secret_target |= self.target_is_secret(at + 1);
            }
            before = word;
        }
        about
    }

    /// Whether the table named here, with or without its schema, is one of secrets.
    fn target_is_secret(&self, mut at: usize) -> bool {
        if self.word(at) == b"only" {
            at += 1;
        }
        loop {
            let Some(token) = self.code.get(at) else {
                return false;
            };
            if !matches!(token.kind, Kind::Word | Kind::Name) {
                return false;
            }
            if is_secret(self.content(token)) {
                return true;
            }
            if self.kind(at + 1) != Some(Kind::Mark(b'.')) {
                return false;
            }
            at += 2;
        }
    }

    /// What follows the name of a secret.
    fn name(&mut self, at: usize, statement: &Range<usize>, about: &About) {
        let mut next = at + 1;
        // The quote that closes a name, where quotes are marks.
        if !self.reading.names && self.kind(next) == Some(Kind::Mark(b'"')) {
            next += 1;
        }
        match self.kind(next) {
            None => self.open |= self.reading.depth > 0 && self.is_clause(at),
            Some(Kind::Mark(b'<')) if self.word(next + 1) == b"redacted" => {}
            Some(Kind::Text(_) | Kind::Dollar) => {
                let mut literal = next;
                while matches!(self.kind(literal), Some(Kind::Text(_) | Kind::Dollar)) {
                    self.cut_literal(literal);
                    literal += 1;
                }
                if self.kind(literal) == Some(Kind::Mark(b'|')) {
                    self.item(literal, statement.end, false);
                }
            }
            Some(Kind::Mark(b',' | b')')) if about.writes.is_some_and(|writes| writes < at) => {
                self.cut_literals(statement.clone());
            }
            // A password without its quotes: what follows it is anybody's guess.
            Some(Kind::Word | Kind::Number | Kind::Name)
                if about.role
                    && self.word(at).windows(5).any(|word| word == b"passw")
                    && self.word(next) != b"null" =>
            {
                self.rest(next, statement.end);
            }
            Some(Kind::Mark(b'%')) if self.is_placeholder(next) => {
                self.open = true;
                // Literals after it: a quotation mark is missing or one too many, and what seems code is not.
                let literals = next..self.code.len();
                if literals.clone().any(|at| self.is_literal(at)) {
                    self.rest(next + 2, literals.end);
                }
            }
            Some(Kind::Word) if !compares(&self.word(next)) => {}
            Some(Kind::Name) => {}
            Some(Kind::Mark(mark)) if !b"=:|<>~!+-%".contains(&mark) => {}
            _ => {
                let is_json = self.kind(next) == Some(Kind::Mark(b':'))
                    && !matches!(self.kind(next + 1), Some(Kind::Mark(b':' | b'=')))
                    && self.reading.depth > 0;
                if is_json {
                    self.json_string(next + 1);
                }
                self.item(next, statement.end, is_json);
            }
        }
    }

    /// The string of a JSON document that begins here: it escapes in another way than names do.
    fn json_string(&mut self, at: usize) {
        let Some(start) = self.code.get(at).map(|token| token.all.start) else {
            return;
        };
        let text = self.view.text();
        if text.get(start) == Some(&b'"') {
            let end = json_string_end(text, start + 1).unwrap_or(text.len());
            self.found.cut(self.view, start + 1..end);
        }
    }

    /// A literal that is the name of a secret: a key of an object, an argument before its value.
    fn name_in_literal(&mut self, at: usize, end: usize) {
        let mut next = at + 1;
        while matches!(self.kind(next), Some(Kind::Mark(b')' | b']'))) {
            next += 1;
        }
        match self.kind(next) {
            Some(Kind::Mark(b',')) => self.item(next + 1, end, false),
            Some(Kind::Mark(b'=' | b':' | b'|' | b'<' | b'~' | b'!')) => {
                self.item(next, end, false);
            }
            _ => {}
        }
    }

    /// Cuts every literal up to the end of the item that begins here: a comma, a closing parenthesis, a key word.
    fn item(&mut self, from: usize, end: usize, is_json: bool) {
        if from < self.scanned {
            return;
        }
        let mut depth = 0_i32;
        let mut at = from;
        while at < end {
            match self.kind(at) {
                None => break,
                Some(Kind::Mark(b'(' | b'[' | b'{')) => depth += 1,
                Some(Kind::Mark(b')' | b']' | b'}')) => {
                    depth -= 1;
                    if depth < 0 {
                        break;
                    }
                }
                Some(Kind::Mark(b',')) if depth == 0 => break,
                Some(Kind::Word) if depth == 0 && !is_json && ends_item(&self.word(at)) => break,
                Some(Kind::Text(_) | Kind::Dollar) => self.cut_literal(at),
                Some(Kind::Parameter) => self.parameter(),
                Some(Kind::Mark(b'%')) => self.open |= self.is_placeholder(at),
                Some(Kind::Name | Kind::Word | Kind::Number) if is_json => {
                    self.cut_content(at, SHORTEST);
                }
                Some(Kind::Number) if at <= from + 2 => self.cut_content(at, SHORTEST),
                Some(_) => {}
            }
            at += 1;
        }
        // `password =` and nothing more: the value is put behind it.
        let sign = matches!(self.kind(at.wrapping_sub(1)), Some(Kind::Mark(b'=' | b'|')));
        self.open |= self.reading.depth > 0 && at == self.code.len() && sign;
        self.scanned = self.scanned.max(at);
    }

    /// The arguments of a function that is given secrets.
    fn call(&mut self, at: usize, end: usize) {
        let scope = self.arguments(at + 1, end);
        let closed = scope.end < self.code.len();
        let open = !closed || scope.clone().any(|at| self.is_placeholder(at));
        self.open |= self.reading.depth > 0 && open;
        self.cut_literals(scope);
    }

    fn set_config(&mut self, at: usize, end: usize) {
        let scope = self.arguments(at + 1, end);
        let secret = self.code.get(at + 2).is_some_and(|name| {
            matches!(name.kind, Kind::Text(_)) && is_secret_setting(self.content(name))
        });
        if secret {
            self.cut_literals(at + 3..scope.end);
        }
    }

    /// The tokens between the parenthesis here and the one that closes it.
    fn arguments(&self, opening: usize, end: usize) -> Range<usize> {
        let mut depth = 0_i32;
        for at in opening..end {
            match self.kind(at) {
                Some(Kind::Mark(b'(')) => depth += 1,
                Some(Kind::Mark(b')')) => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return opening + 1..at;
            }
        }
        opening + 1..self.code.len().max(opening + 1)
    }

    /// `SET app.key = ..`, also of a role or a database.
    fn setting(&mut self, at: usize, end: usize) {
        let mut next = at + 1;
        if matches!(self.word(next).as_slice(), b"session" | b"local") {
            next += 1;
        }
        let mut name = Vec::new();
        loop {
            match self.kind(next) {
                Some(Kind::Word | Kind::Name) => name.extend(self.word(next)),
                _ => return,
            }
            if self.kind(next + 1) != Some(Kind::Mark(b'.')) {
                break;
            }
            name.push(b'.');
            next += 2;
        }
        let to = self.kind(next + 1) == Some(Kind::Mark(b'=')) || self.word(next + 1) == b"to";
        if !to || !is_secret_setting(&name) {
            return;
        }
        for at in next + 2..end {
            match self.kind(at) {
                Some(Kind::Text(_) | Kind::Dollar) => self.cut_literal(at),
                Some(Kind::Word | Kind::Number | Kind::Name)
                    if !matches!(self.word(at).as_slice(), b"default" | b"redacted") =>
                {
                    self.cut_content(at, SHORTEST);
                }
                Some(Kind::Mark(b'%')) => self.open |= self.is_placeholder(at),
                _ => {}
            }
        }
        self.open |= self.reading.depth > 0 && next + 2 >= self.code.len();
    }

    /// Everything from here to the end of the statement.
    fn rest(&mut self, from: usize, end: usize) {
        let (Some(first), Some(last)) = (self.code.get(from), self.code.get(end.wrapping_sub(1)))
        else {
            return;
        };
        let range = first.all.start..last.all.end;
        self.found.cut(self.view, range);
    }

    /// Where a text is a template, the secret is one of the literals beside it, and nothing tells which.
    fn put_together(&mut self) {
        if !self.open {
            return;
        }
        for at in 0..self.code.len() {
            let is_template = self.templates.get(at).copied().unwrap_or_default();
            match self.kind(at) {
                Some(Kind::Text(_) | Kind::Dollar) if !is_template => {
                    self.cut_content(at, SHORTEST_DOUBTFUL);
                }
                Some(Kind::Parameter) => self.found.parameters = true,
                _ => {}
            }
        }
    }

    fn cut_literals(&mut self, scope: Range<usize>) {
        for at in scope {
            match self.kind(at) {
                Some(Kind::Text(_) | Kind::Dollar) => {
                    self.cut_content(at, SHORTEST_DOUBTFUL);
                    self.open |= self.is_cut_short(at);
                }
                Some(Kind::Parameter) => self.parameter(),
                _ => {}
            }
        }
    }

    fn parameter(&mut self) {
        self.found.parameters = true;
        self.open |= self.reading.depth > 0;
    }

    fn cut_literal(&mut self, at: usize) {
        self.cut_content(at, SHORTEST);
        self.open |= self.is_cut_short(at);
    }

    /// A literal within a literal that nothing closes: the rest of it is put in from outside.
    fn is_cut_short(&self, at: usize) -> bool {
        self.reading.depth > 0 && self.code.get(at).is_some_and(|token| !token.closed)
    }

    fn cut_content(&mut self, at: usize, shortest: usize) {
        let Some(token) = self.code.get(at) else {
            return;
        };
        let (content, kind) = (token.content.clone(), token.kind);
        // As it is meant, too: that is how an error repeats it.
        if let Kind::Text(quoting) = kind {
            let meant = self.view.within(content.clone(), quoting);
            self.found
                .cut_and_know(&meant, 0..meant.text().len(), shortest);
        }
        self.found.cut_and_know(self.view, content, shortest);
    }

    /// Whether the text up to this name is a clause that wants a password behind it.
    fn is_clause(&self, at: usize) -> bool {
        let text = self.view.text();
        let alone = at == 0 && text.trim_ascii().len() == text.len();
        !alone && begins_clause(&self.word(0))
    }

    /// `%L`, `%1$L` in a text that is given to `format()`.
    fn is_placeholder(&self, at: usize) -> bool {
        self.reading.depth > 0
            && self.kind(at) == Some(Kind::Mark(b'%'))
            && matches!(self.kind(at + 1), Some(Kind::Word | Kind::Number))
    }

    /// A parenthesis after a table's name is no call.
    fn is_table(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else {
            return false;
        };
        matches!(
            self.word(before).as_slice(),
            b"table" | b"into" | b"on" | b"references" | b"index" | b"exists"
        )
    }

    fn is_literal(&self, at: usize) -> bool {
        matches!(self.kind(at), Some(Kind::Text(_) | Kind::Dollar))
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.code.get(at).map(|token| token.kind)
    }

    /// The word or name here, in lower case; empty when there is none.
    fn word(&self, at: usize) -> Vec<u8> {
        match self.code.get(at) {
            Some(token) if matches!(token.kind, Kind::Word | Kind::Name) => {
                let content = self.content(token);
                content.get(..64).unwrap_or(content).to_ascii_lowercase()
            }
            _ => Vec::new(),
        }
    }

    fn content(&self, token: &Token) -> &[u8] {
        self.view
            .text()
            .get(token.content.clone())
            .unwrap_or_default()
    }
}

/// What a statement is about.
#[derive(Default)]
struct About {
    /// A role, a user mapping, a server, a subscription.
    role: bool,
    /// `UPDATE`, `MERGE`: its SET is no setting.
    updates: bool,
    /// Where the word that writes stands.
    writes: Option<usize>,
    /// It writes to a table of secrets.
    secret_target: bool,
}
