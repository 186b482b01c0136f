//! The audience of an assertion. Each app behind a route can have its own.

use crate::base::routes::PathRoutes;
use crate::base::target::Target;

/// The audiences of `[[upstream.route]]`, in addition to the default one.
#[derive(Clone, Debug, Default)]
pub struct RouteAudiences {
    routes: PathRoutes,
    /// For each route, the position of its audience in `distinct`; nothing for the default
    /// audience.
    of_route: Vec<Option<usize>>,
    distinct: Vec<String>,
}

impl RouteAudiences {
    /// Creates the audiences. `audiences` has an entry for each of `routes`, in the same order.
    pub fn new<'a>(
        routes: PathRoutes,
        audiences: impl IntoIterator<Item = Option<&'a str>>,
        default: &str,
    ) -> Self {
        let mut distinct: Vec<String> = Vec::new();
        let mut place = |audience: &str| {
            distinct.iter().position(|it| it == audience).unwrap_or_else(|| {
                distinct.push(audience.to_owned());
                distinct.len() - 1
            })
        };
        let of_route = audiences
            .into_iter()
            .map(|it| it.filter(|it| *it != default).map(&mut place))
            .collect();
        Self { routes, of_route, distinct }
    }

    /// Returns the position of the audience for a request's assertion, or nothing for the default
    /// one. Costs nothing if all routes have the default audience.
    pub(super) fn find(&self, target: &Target) -> Option<usize> {
        if self.distinct.is_empty() {
            return None;
        }
        self.of_route.get(self.routes.find(target)?).copied().flatten()
    }

    /// The number of audiences in addition to the default one.
    pub(super) fn count(&self) -> usize {
        self.distinct.len()
    }

    /// Returns the audience at a position.
    pub(super) fn get(&self, at: usize) -> Option<&str> {
        self.distinct.get(at).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::pattern::PathPattern;
    use crate::base::target::PathStrictness;

    #[test]
    fn the_audience_is_that_of_the_route_and_equal_ones_are_one() {
        let routes = PathRoutes::new(
            ["/a/b/**", "/a/**", "/c/**", "/d/**", "/e/**"]
                .map(|it| PathPattern::parse(it).unwrap()),
        );
        let audiences = RouteAudiences::new(
            routes,
            [Some("two"), Some("one"), None, Some("two"), Some("default")],
            "default",
        );
        let found = |path: &str| {
            let target = Target::parse(&http::Method::GET, path, PathStrictness::Strict).unwrap();
            audiences.find(&target).map(|it| audiences.get(it).unwrap())
        };
        assert_eq!(audiences.count(), 2);
        for (path, audience) in [
            ("/a/b/c", Some("two")),
            ("/a", Some("one")),
            ("/a/bc", Some("one")),
            ("/c/x", None),
            ("/d", Some("two")),
            ("/e", None),
            ("/f?/a", None),
            ("/%61", None),
        ] {
            assert_eq!(found(path), audience, "{path}");
        }
        assert_eq!(
            RouteAudiences::default()
                .find(&Target::parse(&http::Method::GET, "/a", PathStrictness::Strict).unwrap()),
            None
        );
    }
}
