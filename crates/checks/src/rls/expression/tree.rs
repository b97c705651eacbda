//! The shape of an expression.

/// One expression.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Expr {
    Null,
    Bool(bool),
    Text(String),
    Number(String),
    /// A column, with the table's name before it where the server wrote one.
    Column(Vec<String>),
    /// `CURRENT_USER` and its like: the same in the whole session, never NULL.
    OfSession,
    Array(Vec<Self>),
    Cast(Box<Self>, String),
    /// The function as written, with its schema and its quotes: `app.tenant`, `COALESCE`.
    Call(String, Vec<Self>),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    /// A binary operator.
    Binary(String, Box<Self>, Box<Self>),
    /// `left operator ANY (array)`, or `ALL`.
    Quantified {
        operator: String,
        left: Box<Self>,
        array: Box<Self>,
        all: bool,
    },
    IsNull(Box<Self>),
    /// `IS TRUE`, `IS FALSE`, `IS UNKNOWN`.
    Is(Box<Self>, Option<bool>),
    IsDistinct(Box<Self>, Box<Self>),
    Case {
        operand: Option<Box<Self>>,
        branches: Vec<(Self, Self)>,
        otherwise: Box<Self>,
    },
    Exists(Box<Query>),
    In(Box<Self>, Box<Query>),
    Scalar(Box<Query>),
    /// Not understood; the text says where to look.
    Opaque(String),
}

/// A sub-select, as far as it matters which rows it returns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Query {
    /// The first expression that it returns.
    pub(super) item: Expr,
    /// Whether it reads a table.
    pub(super) reads: bool,
    /// Its WHERE.
    pub(super) condition: Option<Expr>,
}

impl Expr {
    /// The expressions right under this one, those of queries included.
    pub(super) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Null
            | Self::Bool(_)
            | Self::Text(_)
            | Self::Number(_)
            | Self::Column(_)
            | Self::OfSession
            | Self::Opaque(_) => Vec::new(),
            Self::Array(items) | Self::Call(_, items) | Self::And(items) | Self::Or(items) => {
                items.iter().collect()
            }
            Self::Cast(of, _) | Self::Not(of) | Self::IsNull(of) | Self::Is(of, _) => vec![of],
            Self::Binary(_, left, right) | Self::IsDistinct(left, right) => vec![left, right],
            Self::Quantified { left, array, .. } => vec![left, array],
            Self::Case {
                operand,
                branches,
                otherwise,
            } => operand
                .iter()
                .map(AsRef::as_ref)
                .chain(branches.iter().flat_map(|(when, then)| [when, then]))
                .chain([otherwise.as_ref()])
                .collect(),
            Self::Exists(query) | Self::Scalar(query) => query.children(),
            Self::In(left, query) => {
                let mut children = vec![left.as_ref()];
                children.extend(query.children());
                children
            }
        }
    }
}

impl Query {
    fn children(&self) -> Vec<&Expr> {
        std::iter::once(&self.item).chain(&self.condition).collect()
    }
}
