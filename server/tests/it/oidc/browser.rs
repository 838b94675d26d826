//! A browser without scripts: cookies, links, forms, redirects.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode, header};

use crate::harness::{Answer, Client, Tenant};

/// A browser with its cookies. It talks to instance 0, 1, 0, … in turn.
pub(crate) struct Browser {
    tenant: Tenant,
    cookies: BTreeMap<String, String>,
    turn: usize,
}

/// Where a chain of redirects ended.
#[derive(Debug)]
pub(crate) enum End {
    /// A page of the server.
    Page(Page),
    /// Back at the application.
    Callback(Callback),
}

/// A page that was shown.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) answer: Answer,
    pub(crate) path: String,
}

/// What the application was sent.
#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) address: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Callback {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    fn at(location: &str) -> Self {
        let url = url::Url::parse(location).unwrap();
        Self {
            address: location.to_owned(),
            parameters: url.query_pairs().into_owned().collect(),
        }
    }
}

impl End {
    #[track_caller]
    pub(crate) fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Callback(callback) => panic!("a redirect to {callback:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn callback(self) -> Callback {
        match self {
            Self::Callback(callback) => callback,
            Self::Page(page) => panic!("a page: {page:?}"),
        }
    }
}

/// Undoes what HTML escaping did to an attribute.
fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#38;", "&")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

impl Page {
    pub(crate) fn html(&self) -> &str {
        &self.answer.text
    }

    /// The value of an attribute of the first tag that begins like this.
    pub(crate) fn attribute(&self, tag: &str, name: &str) -> Option<String> {
        let start = self.html().find(tag)?;
        let rest = &self.html()[start..];
        let rest = &rest[..rest.find('>')?];
        let (_, value) = rest.split_once(&format!(" {name}=\""))?;
        Some(unescaped(value.split('"').next()?))
    }

    /// The hidden members of the page's form.
    pub(crate) fn hidden(&self) -> Vec<(String, String)> {
        self.html()
            .split("<input type=\"hidden\"")
            .skip(1)
            .map(|part| {
                let tag = part.split('>').next().unwrap();
                let value = |name: &str| {
                    let (_, rest) = tag.split_once(&format!(" {name}=\"")).unwrap();
                    unescaped(rest.split('"').next().unwrap())
                };
                (value("name"), value("value"))
            })
            .collect()
    }

    pub(crate) fn form_action(&self) -> String {
        self.attribute("<form", "action").unwrap()
    }

    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.html().matches(&format!(" id=\"{id}\"")).count() == 1
    }
}

impl Browser {
    pub(crate) fn new(tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.clone(),
            cookies: BTreeMap::new(),
            turn: 0,
        }
    }

    fn client(&mut self) -> Client {
        self.turn += 1;
        self.tenant.client(self.turn)
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// All of them, as a request carries them.
    pub(crate) fn cookies(&self) -> String {
        let pairs = self.cookies.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn forget_cookies(&mut self) {
        self.cookies.clear();
    }

    /// One request, without following where it leads.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        form: Option<&[(String, String)]>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let client = self.client();
        let mut request = client.request(method, path);
        if !self.cookies.is_empty() {
            let all: Vec<_> = self
                .cookies
                .iter()
                .map(|(n, v)| format!("{n}={v}"))
                .collect();
            request = request.header(header::COOKIE, all.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(form) = form {
            request = request.form(form);
        }
        let answer = client.send(request).await;
        for value in answer.headers.get_all(header::SET_COOKIE) {
            self.keep(value.to_str().unwrap());
        }
        answer
    }

    fn keep(&mut self, text: &str) {
        let (pair, attributes) = text.split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        assert!(attributes.contains("HttpOnly"), "{text}");
        if attributes.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Follows a redirect as browsers do: GET, and only while it stays here.
    async fn follow(&mut self, mut answer: Answer, mut path: String) -> End {
        for _ in 0..10 {
            if answer.status != StatusCode::SEE_OTHER {
                return End::Page(Page { answer, path });
            }
            let location = answer.header("location").to_owned();
            match location.strip_prefix(&self.tenant.public_url) {
                Some(here) => {
                    path = here.to_owned();
                    answer = self.send(Method::GET, here, None, &[]).await;
                }
                None => return End::Callback(Callback::at(&location)),
            }
        }
        panic!("redirects without end")
    }

    /// Goes to an address, given as path or whole.
    pub(crate) async fn open(&mut self, address: &str) -> End {
        let path = address
            .strip_prefix(&self.tenant.public_url)
            .unwrap_or(address)
            .to_owned();
        let answer = self.send(Method::GET, &path, None, &[]).await;
        self.follow(answer, path).await
    }

    /// Posts the form of a page, with these members besides the hidden ones.
    pub(crate) async fn submit(&mut self, page: &Page, members: &[(&str, &str)]) -> End {
        let mut form = page.hidden();
        form.extend(
            members
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        );
        self.post(&page.form_action(), &form).await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &[(String, String)]) -> End {
        let answer = self.send(Method::POST, path, Some(form), &[]).await;
        self.follow(answer, path.to_owned()).await
    }
}
