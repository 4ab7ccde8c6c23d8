//! Where things stand on a dashboard: inside it, and beside each other.

use serde_json::Value;

#[derive(Clone, Copy, Debug)]
struct Place {
    x: u64,
    y: u64,
    width: u64,
    height: u64,
}

impl Place {
    fn overlaps(self, other: Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// Checks Datadog's widgets, those inside groups too; says how many there were.
pub(crate) fn widgets(file: &str, widgets: &[Value]) -> usize {
    let place = |widget: &Value| place(&widget["layout"], ["x", "y", "width", "height"]);
    apart(file, 12, &widgets.iter().map(place).collect::<Vec<_>>());
    let mut seen = widgets.len();
    for group in widgets {
        if let Some(inside) = group["definition"]["widgets"].as_array() {
            let bottom = inside.iter().map(place).map(|at| at.y + at.height).max();
            let title = &group["definition"]["title"];
            // A group's title takes a row of its own.
            assert_eq!(
                bottom.map(|bottom| bottom + 1),
                Some(place(group).height),
                "{file}: {title}"
            );
            seen += self::widgets(file, inside);
        }
    }
    seen
}

/// Checks Grafana's panels; says how many there were.
pub(crate) fn panels(file: &str, panels: &[Value]) -> usize {
    let places: Vec<_> = panels
        .iter()
        .map(|panel| place(&panel["gridPos"], ["x", "y", "w", "h"]))
        .collect();
    apart(file, 24, &places);
    panels.len()
}

fn place(at: &Value, keys: [&str; 4]) -> Place {
    let [x, y, width, height] = keys.map(|key| {
        at[key]
            .as_u64()
            .unwrap_or_else(|| panic!("no {key} in {at}"))
    });
    Place {
        x,
        y,
        width,
        height,
    }
}

fn apart(file: &str, columns: u64, places: &[Place]) {
    for (index, place) in places.iter().enumerate() {
        let inside = place.width > 0 && place.height > 0 && place.x + place.width <= columns;
        assert!(inside, "{file}: {place:?} is not inside");
        for other in &places[..index] {
            assert!(
                !place.overlaps(*other),
                "{file}: {place:?} lies on {other:?}"
            );
        }
    }
}

#[test]
#[should_panic(expected = "lies on")]
fn an_overlap_is_noticed() {
    let place = |x| Place {
        x,
        y: 0,
        width: 6,
        height: 4,
    };
    apart("", 12, &[place(0), place(6), place(3)]);
}
