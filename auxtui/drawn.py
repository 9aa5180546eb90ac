"""How the console draws: its themes, and that no more is sent to the terminal than has changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from textual._compositor import ChopsUpdate
from textual.app import App
from textual.filter import LineFilter
from textual.screen import Screen

from auxtui import themes
from auxtui.line_filter import Inert, Signs
from auxtui.narrow_updates import NarrowUpdate
from auxtui.profile import Profile
from auxtui.typing_ahead import TypingAhead


class DrawnApp(TypingAhead):
    """An app with our themes, our filter, and narrow updates."""

    CSS = """
    * { scrollbar-color: $tone-muted; scrollbar-background: $panel;
        scrollbar-color-hover: $tone-head; scrollbar-background-hover: $panel;
        scrollbar-color-active: $tone-head; scrollbar-background-active: $panel; }
    SelectCurrent .arrow { color: $tone-muted; }
    Select:focus > SelectCurrent { background: $cursor-back; background-tint: $cursor-back 0%; }
    Select:focus > SelectCurrent Static { color: $cursor-text; }
    Input:focus { background-tint: $cursor-back 0%; }
    Input > .input--selection { background: $cursor-text; color: $cursor-back; }
    """

    def load_themes(self, profile: Profile) -> list[str]:
        """Takes the theme that the profile names; gives what is wrong with it or with others, in words."""
        found, wrong = themes.load_themes((themes.own_folder(), *profile.theme_dirs))
        self._theme_names = [theme.name for theme in found]
        for theme in found:
            self.register_theme(theme)
        self.register_theme(themes.no_color_theme(dark=True))
        wanted = themes.NO_COLOR if profile.no_color else profile.theme
        if wanted not in self.available_themes:
            wrong.append(f"there is no theme {wanted!r}; known: {', '.join(self._theme_names)}")
            wanted = "dark"
        if wanted == themes.NO_COLOR:
            self.theme = wanted
            return wrong
        # Its watchers would read every style rule a second time before the first paint.
        self.set_reactive(App.theme, wanted)
        dark = self.current_theme.dark
        self.set_class(dark, "-dark-mode", update=False).set_class(
            not dark, "-light-mode", update=False
        )
        self.stylesheet.set_variables(self.get_css_variables())
        return wrong

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our tokens for themes that do not name them."""
        theme = self.current_theme
        fallback = theme.foreground or theme.primary
        tokens = {key: getattr(theme, base) or fallback for key, base in themes.VARIABLES.items()}
        return {**tokens, "cursor-style": "bold"}

    signs: Signs | None = None
    """Where only some signs can be drawn: what puts the others into them."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The filters of Textual, the net that no control character passes, and the signs of this terminal."""
        own = [Inert()] if self.signs is None else [Inert(), self.signs]
        return [*super().get_line_filters(), *own]

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Sends less of what has changed than Textual does by itself."""
        if isinstance(renderable, ChopsUpdate):
            renderable = NarrowUpdate.of(renderable)
        super()._display(screen, renderable)

    def next_theme(self) -> str:
        """Changes to the next of our themes; gives its name."""
        names = self._theme_names
        place = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(place + 1) % len(names)]
        return self.theme
