//! `/problems/{slug}`: the page that a problem's `type` leads to.

use poem::{Response, handler, http::header, web::Path};

use super::respond::problem::{Kind, Problem};

/// Explains one kind of problem. Only constants go into the page.
#[handler]
pub(crate) fn problem_page(Path(slug): Path<String>) -> poem::Result<Response> {
    let kind = Kind::ALL
        .iter()
        .copied()
        .find(|kind| kind.slug() == slug)
        .ok_or_else(|| Problem::new(Kind::NotFound))?;
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · Tokenhouse</title>\n<main>\n<h1>{title}</h1>\n\
         <p>Status {status}, type <code>{slug}</code>.</p>\n<p>{remedy}</p>\n</main>\n</html>\n",
        title = kind.title(),
        status = kind.status().as_u16(),
        slug = kind.slug(),
        remedy = escape(kind.remedy()),
    );
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "public, max-age=3600")
        .header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        )
        .header(header::X_FRAME_OPTIONS, "DENY")
        .body(page))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
