//! From tokens to the shape of an expression: the part of SQL's grammar that the server's deparser writes.
//!
//! The deparser puts parentheses around nearly everything, so what is not understood is skipped to the parenthesis that closes
//! it and the rest is still read.

use super::token::{Token, tokens};
use super::tree::{Expr, Query};
use pgattest_model::ident::quote_ident;

/// Deeper than this nobody writes by hand.
const DEEPEST: usize = 64;

/// The expression in a text; opaque when it is not one.
pub(super) fn expression(text: &str) -> Expr {
    let opaque = || Expr::Opaque("an expression that is not understood".to_owned());
    let Some(tokens) = tokens(text) else {
        return opaque();
    };
    Parser::new(&tokens).map_or_else(opaque, |mut parser| parser.whole().unwrap_or_else(opaque))
}

/// The expression that a function's body returns.
pub(super) fn body(text: &str) -> Option<Expr> {
    let tokens = tokens(text.trim().trim_end_matches(';'))?;
    let mut parser = Parser::new(&tokens)?;
    if parser.take_word("RETURN") {
        return parser.whole();
    }
    let end = parser.end;
    Some(Expr::Scalar(Box::new(parser.query(end)?)))
}

struct Parser<'a> {
    tokens: &'a [Token],
    /// For each opening parenthesis or bracket, where it is closed.
    closes: Vec<usize>,
    at: usize,
    /// Where the part that is being read ends.
    end: usize,
    depth: usize,
}

/// How tightly an operator binds; the deparser leaves little to it.
mod binding {
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const NOT: u8 = 3;
    pub(super) const IS: u8 = 4;
    pub(super) const COMPARISON: u8 = 5;
    pub(super) const OTHER: u8 = 6;
    pub(super) const SUM: u8 = 7;
    pub(super) const PRODUCT: u8 = 8;
    pub(super) const POSTFIX: u8 = 9;
}

impl<'a> Parser<'a> {
    /// `None` when the parentheses do not match or are nested too deep.
    fn new(tokens: &'a [Token]) -> Option<Self> {
        let mut closes = vec![0; tokens.len()];
        let mut open = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            if token.is("(") || token.is("[") {
                open.push((at, token.is("(")));
            } else if token.is(")") || token.is("]") {
                let (opened, round) = open.pop()?;
                if round != token.is(")") {
                    return None;
                }
                *closes.get_mut(opened)? = at;
            }
            if open.len() > DEEPEST {
                return None;
            }
        }
        open.is_empty().then_some(Self {
            tokens,
            closes,
            at: 0,
            end: tokens.len(),
            depth: 0,
        })
    }

    /// An expression that takes all that is left.
    fn whole(&mut self) -> Option<Expr> {
        let expr = self.expr(0)?;
        (self.at == self.end).then_some(expr)
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).filter(|_| self.at < self.end)
    }

    fn take(&mut self, sign: &str) -> bool {
        let taken = self.peek().is_some_and(|token| token.is(sign));
        self.at += usize::from(taken);
        taken
    }

    fn take_word(&mut self, keyword: &str) -> bool {
        let taken = self.peek().is_some_and(|token| token.is_word(keyword));
        self.at += usize::from(taken);
        taken
    }

    /// Takes the keywords when all of them come now.
    fn take_words(&mut self, keywords: &[&str]) -> bool {
        let start = self.at;
        let taken = keywords.iter().all(|keyword| self.take_word(keyword));
        if !taken {
            self.at = start;
        }
        taken
    }

    fn expr(&mut self, least: u8) -> Option<Expr> {
        self.depth += 1;
        let expr = if self.depth > DEEPEST * 4 {
            None
        } else {
            self.climb(least)
        };
        self.depth -= 1;
        expr
    }

    fn climb(&mut self, least: u8) -> Option<Expr> {
        let mut left = self.operand()?;
        while let Some(token) = self.peek() {
            left = match token {
                Token::Sign(sign) if sign == "::" => {
                    self.at += 1;
                    Expr::Cast(Box::new(left), self.type_name()?)
                }
                Token::Sign(sign) if sign == "[" || sign == "." => {
                    // An element or a field: what it holds is not known.
                    self.at = self
                        .closes
                        .get(self.at)
                        .copied()
                        .filter(|close| *close > 0)?
                        + 1;
                    Expr::Opaque("an element of an array".to_owned())
                }
                Token::Sign(sign) if is_binary(sign) => {
                    let power = power(sign);
                    if power < least {
                        break;
                    }
                    self.at += 1;
                    self.after_operator(left, sign, power)?
                }
                Token::Word(_) => match self.after_word(left, least)? {
                    (left, true) => left,
                    (left, false) => return Some(left),
                },
                _ => break,
            };
        }
        Some(left)
    }

    fn after_operator(&mut self, left: Expr, operator: &str, power: u8) -> Option<Expr> {
        for (word, all) in [("ANY", false), ("ALL", true)] {
            if !self.take_word(word) {
                continue;
            }
            let inside = self.group(|parser| {
                if parser.peek()?.is_word("SELECT") {
                    return None;
                }
                parser.whole()
            })?;
            return Some(Expr::Quantified {
                operator: operator.to_owned(),
                left: Box::new(left),
                array: Box::new(inside),
                all,
            });
        }
        let right = self.expr(power + 1)?;
        Some(Expr::Binary(
            operator.to_owned(),
            Box::new(left),
            Box::new(right),
        ))
    }

    /// What a keyword makes of the expression before it, and whether anything was made.
    fn after_word(&mut self, left: Expr, least: u8) -> Option<(Expr, bool)> {
        use binding::{AND, IS, OR};
        let start = self.at;
        if least <= OR && self.take_word("OR") {
            let right = self.expr(AND)?;
            return Some((joined(left, right, true), true));
        }
        if least <= AND && self.take_word("AND") {
            let right = self.expr(binding::NOT)?;
            return Some((joined(left, right, false), true));
        }
        if least <= IS && self.take_word("IS") {
            let negated = self.take_word("NOT");
            let left = Box::new(left);
            let test = if self.take_word("NULL") {
                Expr::IsNull(left)
            } else if self.take_word("TRUE") {
                Expr::Is(left, Some(true))
            } else if self.take_word("FALSE") {
                Expr::Is(left, Some(false))
            } else if self.take_word("UNKNOWN") {
                Expr::Is(left, None)
            } else if self.take_words(&["DISTINCT", "FROM"]) {
                Expr::IsDistinct(left, Box::new(self.expr(binding::COMPARISON)?))
            } else {
                return None;
            };
            let test = if negated {
                Expr::Not(Box::new(test))
            } else {
                test
            };
            return Some((test, true));
        }
        if least <= IS && self.take_word("IN") {
            let query = self.group(|parser| {
                let end = parser.end;
                parser.query(end)
            });
            let opaque = || Expr::Opaque("a query".to_owned());
            return Some((
                query.map_or_else(opaque, |query| Expr::In(Box::new(left), Box::new(query))),
                true,
            ));
        }
        if self.take_word("COLLATE") {
            return None;
        }
        self.at = start;
        Some((left, false))
    }

    fn operand(&mut self) -> Option<Expr> {
        let token = self.peek()?;
        match token {
            Token::Text(text) => {
                self.at += 1;
                Some(Expr::Text(text.clone()))
            }
            Token::Number(number) => {
                self.at += 1;
                Some(Expr::Number(number.clone()))
            }
            Token::Sign(sign) if sign == "(" => Some(self.parenthesised()),
            Token::Sign(sign) if sign == "-" => {
                self.at += 1;
                match self.expr(binding::POSTFIX)? {
                    Expr::Number(number) => Some(Expr::Number(format!("-{number}"))),
                    other => Some(Expr::Call("-".to_owned(), vec![other])),
                }
            }
            Token::Sign(_) => None,
            Token::Word(_) | Token::Name(_) => self.word(),
        }
    }

    /// `(..)`: an expression, a query, or something that is not understood and ends at the parenthesis.
    fn parenthesised(&mut self) -> Expr {
        let is_query = self
            .tokens
            .get(self.at + 1)
            .is_some_and(|token| token.is_word("SELECT") || token.is_word("WITH"));
        let inside = self.group(|parser| {
            if is_query {
                let end = parser.end;
                return Some(Expr::Scalar(Box::new(parser.query(end)?)));
            }
            parser.whole()
        });
        let what = if is_query {
            "a query"
        } else {
            "an expression that is not understood"
        };
        inside.unwrap_or_else(|| Expr::Opaque(what.to_owned()))
    }

    /// Reads the inside of the parentheses that come now; afterwards stands behind them, whether or not it could be read.
    fn group<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if !self.peek()?.is("(") {
            return None;
        }
        let close = self.closes.get(self.at).copied()?;
        let end = std::mem::replace(&mut self.end, close);
        let depth = self.depth;
        self.at += 1;
        let inside = read(self);
        self.at = close + 1;
        self.end = end;
        self.depth = depth;
        inside
    }

    fn word(&mut self) -> Option<Expr> {
        for (keyword, expr) in [
            ("TRUE", Expr::Bool(true)),
            ("FALSE", Expr::Bool(false)),
            ("NULL", Expr::Null),
        ] {
            if self.take_word(keyword) {
                return Some(expr);
            }
        }
        if self.take_word("NOT") {
            return Some(Expr::Not(Box::new(self.expr(binding::NOT)?)));
        }
        if self.take_word("EXISTS") {
            let query = self.group(|parser| {
                let end = parser.end;
                parser.query(end)
            });
            return Some(query.map_or_else(
                || Expr::Opaque("a query".to_owned()),
                |query| Expr::Exists(Box::new(query)),
            ));
        }
        if self.take_word("ARRAY") {
            return self.array();
        }
        if self.take_word("CASE") {
            return self.case();
        }
        let is_of_session = [
            "CURRENT_USER",
            "SESSION_USER",
            "CURRENT_ROLE",
            "USER",
            "CURRENT_CATALOG",
        ]
        .iter()
        .any(|keyword| self.peek().is_some_and(|token| is_upper(token, keyword)));
        if is_of_session {
            self.at += 1;
            return Some(Expr::OfSession);
        }
        self.name()
    }

    /// `ARRAY[..]`.
    fn array(&mut self) -> Option<Expr> {
        if !self.peek()?.is("[") {
            return None;
        }
        let close = self.closes.get(self.at).copied()?;
        let end = std::mem::replace(&mut self.end, close);
        self.at += 1;
        let items = self.list();
        self.at = close + 1;
        self.end = end;
        Some(items.map_or_else(
            || Expr::Opaque("an array that is not understood".to_owned()),
            Expr::Array,
        ))
    }

    /// Expressions with commas between them, up to the end.
    fn list(&mut self) -> Option<Vec<Expr>> {
        let mut items = Vec::new();
        while self.at < self.end {
            items.push(self.expr(0)?);
            if self.at < self.end && !self.take(",") {
                return None;
            }
        }
        Some(items)
    }

    fn case(&mut self) -> Option<Expr> {
        let operand = if self.peek()?.is_word("WHEN") {
            None
        } else {
            Some(Box::new(self.expr(0)?))
        };
        let mut branches = Vec::new();
        while self.take_word("WHEN") {
            let when = self.expr(0)?;
            if !self.take_word("THEN") {
                return None;
            }
            branches.push((when, self.expr(0)?));
        }
        let otherwise = if self.take_word("ELSE") {
            self.expr(0)?
        } else {
            Expr::Null
        };
        self.take_word("END").then(|| Expr::Case {
            operand,
            branches,
            otherwise: Box::new(otherwise),
        })
    }

    /// A column or the call of a function.
    fn name(&mut self) -> Option<Expr> {
        if KEYWORDS
            .iter()
            .any(|keyword| self.peek().is_some_and(|token| token.is_word(keyword)))
        {
            return None;
        }
        let mut parts = Vec::new();
        let mut written = String::new();
        loop {
            match self.peek()? {
                Token::Word(word) => {
                    parts.push(word.clone());
                    written.push_str(word);
                }
                Token::Name(name) => {
                    parts.push(name.clone());
                    written.push('"');
                    written.push_str(&name.replace('"', "\"\""));
                    written.push('"');
                }
                _ => return None,
            }
            self.at += 1;
            if !self.take(".") {
                break;
            }
            written.push('.');
        }
        if !self.peek().is_some_and(|token| token.is("(")) {
            return Some(Expr::Column(parts));
        }
        if parts.len() > 1 {
            // As `quote_ident` spells names everywhere else; the server quotes a few words less.
            written = parts
                .iter()
                .map(|part| quote_ident(part))
                .collect::<Vec<_>>()
                .join(".");
        }
        if written == "TRIM" || written == "CAST" {
            return Some(self.special(&written));
        }
        let arguments = self.group(Self::list);
        Some(match arguments {
            Some(arguments) => Expr::Call(written, arguments),
            None => Expr::Opaque(format!("{written}(..)")),
        })
    }

    /// Functions with a syntax of their own.
    fn special(&mut self, function: &str) -> Expr {
        let read = self.group(|parser| {
            if function == "TRIM" {
                if !parser.take_words(&["BOTH", "FROM"]) {
                    return None;
                }
                return Some(Expr::Call("btrim".to_owned(), vec![parser.whole()?]));
            }
            let of = parser.expr(0)?;
            if !parser.take_word("AS") {
                return None;
            }
            let to = parser.type_name()?;
            (parser.at == parser.end).then(|| Expr::Cast(Box::new(of), to))
        });
        read.unwrap_or_else(|| Expr::Opaque(format!("{function}(..)")))
    }

    /// `character varying(36)[]`, without the length.
    fn type_name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            match self.peek()? {
                Token::Word(word) => name.push_str(&word.to_ascii_lowercase()),
                // A quoted type is somebody's own.
                Token::Name(quoted) => {
                    name.push('"');
                    name.push_str(quoted);
                    name.push('"');
                }
                _ => return None,
            }
            self.at += 1;
            if !self.take(".") {
                break;
            }
            name.push('.');
        }
        for more in ["VARYING", "PRECISION"] {
            if self.take_word(more) {
                name.push(' ');
                name.push_str(&more.to_ascii_lowercase());
            }
        }
        if self.peek().is_some_and(|token| token.is("(")) {
            self.group(|_| Some(()));
        }
        for more in [["WITH", "TIME", "ZONE"], ["WITHOUT", "TIME", "ZONE"]] {
            self.take_words(&more);
        }
        while self.peek().is_some_and(|token| token.is("[")) {
            self.at = self.closes.get(self.at).copied()? + 1;
            name.push_str("[]");
        }
        Some(name)
    }

    /// `SELECT expression AS name FROM .. WHERE condition`, up to the end. `None` for anything whose rows a false WHERE does
    /// not empty, or that joins queries.
    fn query(&mut self, end: usize) -> Option<Query> {
        if !self.take_word("SELECT") {
            return None;
        }
        self.take_word("DISTINCT");
        // EXISTS needs no item.
        let item = if self.peek()?.is_word("FROM") {
            Expr::Null
        } else {
            self.expr(0)?
        };
        let (mut reads, mut filter) = (false, None);
        let mut at = self.at;
        while at < end {
            let token = self.tokens.get(at)?;
            let others = [
                "UNION",
                "INTERSECT",
                "EXCEPT",
                "GROUP",
                "HAVING",
                "LIMIT",
                "OFFSET",
                "WINDOW",
                "FETCH",
            ];
            if others.iter().any(|keyword| token.is_word(keyword)) {
                return None;
            }
            reads |= token.is_word("FROM");
            if token.is_word("WHERE") {
                filter = Some(at + 1);
                break;
            }
            at = match self.closes.get(at) {
                Some(close) if token.is("(") || token.is("[") => close + 1,
                _ => at + 1,
            };
        }
        let condition = match filter {
            Some(start) => {
                self.at = start;
                Some(self.whole()?)
            }
            None => None,
        };
        self.at = end;
        Some(Query {
            item,
            reads,
            condition,
        })
    }
}

/// Words that are no names unless they are quoted.
const KEYWORDS: [&str; 16] = [
    "SELECT", "FROM", "WHERE", "AS", "ON", "WITH", "WHEN", "THEN", "ELSE", "END", "AND", "OR",
    "IN", "IS", "DISTINCT", "COLLATE",
];

/// Whether a token is a keyword in the case that the server writes it in: a column may have the name in lower case.
fn is_upper(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word == keyword)
}

fn is_binary(sign: &str) -> bool {
    !matches!(sign, "(" | ")" | "[" | "]" | "," | "." | "::")
}

fn power(sign: &str) -> u8 {
    match sign {
        "=" | "<>" | "<" | ">" | "<=" | ">=" => binding::COMPARISON,
        "+" | "-" => binding::SUM,
        "*" | "/" | "%" => binding::PRODUCT,
        _ => binding::OTHER,
    }
}

/// One list for a chain of ORs or ANDs.
fn joined(left: Expr, right: Expr, or: bool) -> Expr {
    match (left, or) {
        (Expr::Or(mut items), true) => {
            items.push(right);
            Expr::Or(items)
        }
        (Expr::And(mut items), false) => {
            items.push(right);
            Expr::And(items)
        }
        (left, true) => Expr::Or(vec![left, right]),
        (left, false) => Expr::And(vec![left, right]),
    }
}

#[cfg(test)]
mod tests {
    use super::{body, expression};
    use crate::rls::expression::tree::Expr;

    fn is_opaque(text: &str) -> bool {
        matches!(expression(text), Expr::Opaque(_))
    }

    #[test]
    fn what_is_not_understood_is_opaque_and_the_rest_is_read() {
        let Expr::Or(items) =
            expression("((a ~ b COLLATE \"C\") OR (x OPERATOR(public.=) y) OR true)")
        else {
            panic!("no OR");
        };
        assert!(matches!(
            items.as_slice(),
            [Expr::Opaque(_), Expr::Opaque(_), Expr::Bool(true)]
        ));
    }

    #[test]
    fn no_text_makes_it_panic_or_guess() {
        for text in [
            "", "(", ")", "a b", "(a))", "(a]", "[", "FROM", "CASE", "ARRAY", "x ANY", "NOT",
            "a IS", "-", "a::", "''::(",
        ] {
            assert!(is_opaque(text), "{text}");
        }
        let deep = format!("{}true{}", "(NOT ".repeat(50_000), ")".repeat(50_000));
        assert!(is_opaque(&deep));
        assert!(is_opaque(&format!("{}true", "NOT ".repeat(50_000))));
        let long = format!("({})", vec!["a"; 50_000].join(" OR "));
        assert!(matches!(expression(&long), Expr::Or(items) if items.len() == 50_000));
    }

    #[test]
    fn a_body_is_one_select_or_return() {
        assert!(body(" select nullif(current_setting('a.b', true), '')::uuid ; ").is_some());
        assert!(body("RETURN (current_setting('a.b'::text))::integer").is_some());
        for text in [
            "",
            "begin return 1; end",
            "select",
            "delete from t",
            "select 1; select 2",
        ] {
            assert!(body(text).is_none(), "{text}");
        }
    }
}
