"""The pages: what guards, installers and administrators see."""

from web.dashboard.errors import error_page as error_page
from web.dashboard.pages import install as install
