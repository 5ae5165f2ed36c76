"""The dashboards: from the whole to its parts."""

from gateway_board import GATEWAY
from overview_board import OVERVIEW
from panels import Board, Panel
from routes_board import ROUTES
from services_board import SERVICES

__all__ = ["BOARDS", "Board", "Panel"]

BOARDS = [OVERVIEW, ROUTES, SERVICES, GATEWAY]
