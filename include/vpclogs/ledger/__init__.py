"""The ledger: a SQL database that records the state of every object, run and partition."""

from __future__ import annotations

from vpclogs.ledger.alerts import AlertBook
from vpclogs.ledger.certificates import CertificateBook
from vpclogs.ledger.cuts import CutBook
from vpclogs.ledger.database import Database
from vpclogs.ledger.deliveries import DeliveryBook
from vpclogs.ledger.intents import IntentBook
from vpclogs.ledger.listings import ListingBook
from vpclogs.ledger.manifests import ManifestBook
from vpclogs.ledger.objects import ObjectBook
from vpclogs.ledger.partitions import PartitionBook
from vpclogs.ledger.pruning import PruningBook
from vpclogs.ledger.statistics import StatisticsBook
from vpclogs.ledger.traits import TraitBook
from vpclogs.ledger.watching import WatchBook

__all__ = ["Ledger"]


class Ledger:
    """One attribute per store, all on the database at a SQLAlchemy URL.

    ``url`` is ``sqlite:///file`` or ``postgresql+psycopg2://…``. Opening it applies pending migrations.
    """

    def __init__(self, url: str) -> None:
        self.database = database = Database(url)
        self.objects = ObjectBook(database)
        self.manifests = ManifestBook(database)
        self.listings = ListingBook(database)
        self.intents = IntentBook(database)
        self.cuts = CutBook(database)
        self.partitions = PartitionBook(database)
        self.deliveries = DeliveryBook(database)
        self.traits = TraitBook(database)
        self.watching = WatchBook(database)
        self.alerts = AlertBook(database)
        self.pruning = PruningBook(database)
        self.statistics = StatisticsBook(database)
        self.certificates = CertificateBook(database)
