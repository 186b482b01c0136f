//! The route of `[[upstream.route]]` that a request takes.

use super::pattern::PathPattern;
use super::target::Target;

/// The paths of the routes, longest first. Both the app that receives a request and the audience of
/// its assertion follow from the result.
#[derive(Clone, Debug, Default)]
pub struct PathRoutes(Vec<PathPattern>);

impl PathRoutes {
    /// Creates the routes from their paths, in the order in which they are tried.
    pub fn new(paths: impl IntoIterator<Item = PathPattern>) -> Self {
        Self(paths.into_iter().collect())
    }

    /// The index of the route that a request takes, or `None` if it goes to the default app. The
    /// written path decides, because that is the path that is sent.
    pub fn find(&self, target: &Target) -> Option<usize> {
        self.0.iter().position(|it| it.matches(target.path()))
    }
}
