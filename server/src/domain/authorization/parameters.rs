use url::form_urlencoded;

/// Parameters of a request, as a query or form carries them.
///
/// An empty value is an absent one, unknown names are kept and ignored, and no name but `resource`
/// may come twice (RFC 6749 §3.1 and §3.2, RFC 8707 §2).
#[derive(Clone, Default)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    repeated: Option<String>,
}

/// A parameter that came more than once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {0} came more than once")]
pub struct Repeated(pub String);

/// More is nothing that anyone means, and would only cost.
const MAX_PARAMETERS: usize = 200;

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`. `None` when there are too many.
    pub fn parse(encoded: &[u8]) -> Option<Self> {
        let mut all = Self::default();
        for (n, (name, value)) in form_urlencoded::parse(encoded).enumerate() {
            if n >= MAX_PARAMETERS {
                return None;
            }
            if value.is_empty() {
                continue;
            }
            if name != "resource" && all.get(&name).is_some() {
                all.repeated.get_or_insert_with(|| name.to_string());
                continue;
            }
            all.pairs.push((name.into_owned(), value.into_owned()));
        }
        Some(all)
    }

    /// The value of `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A value that belongs to the caller.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// All values of `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Fails when a parameter came more than once.
    pub fn check_repetition(&self) -> Result<(), Repeated> {
        match &self.repeated {
            Some(name) => Err(Repeated(name.clone())),
            None => Ok(()),
        }
    }

    /// Whether this very parameter came more than once.
    pub fn is_repeated(&self, name: &str) -> bool {
        self.repeated.as_deref() == Some(name)
    }
}

impl std::fmt::Debug for Parameters {
    /// Names alone: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.pairs.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parameters {
        Parameters::parse(text.as_bytes()).expect("parameters")
    }

    #[test]
    fn an_empty_value_is_an_absent_one() {
        let all = read("a=&b=1&a=2&c");
        assert_eq!(
            (all.get("a"), all.get("b"), all.get("c")),
            (Some("2"), Some("1"), None)
        );
        assert_eq!(all.check_repetition(), Ok(()));
    }

    #[test]
    fn only_resources_may_be_repeated() {
        let all = read("resource=a&resource=b");
        assert_eq!(all.check_repetition(), Ok(()));
        assert_eq!(all.all("resource").collect::<Vec<_>>(), ["a", "b"]);
        let all = read("scope=a&x=1&scope=a");
        assert_eq!(all.check_repetition(), Err(Repeated("scope".into())));
        assert!(all.is_repeated("scope") && !all.is_repeated("x"));
    }

    #[test]
    fn there_is_a_limit() {
        assert!(Parameters::parse("a=1&".repeat(201).as_bytes()).is_none());
    }

    #[test]
    fn values_do_not_print() {
        assert_eq!(format!("{:?}", read("code=secret")), r#"["code"]"#);
    }
}
