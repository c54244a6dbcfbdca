"""The ledger: a SQL database that records the state of every object, run and partition."""

from __future__ import annotations

from vpclogs.ledger.alerts import AlertStore
from vpclogs.ledger.certificates import CertificateStore
from vpclogs.ledger.database import Database
from vpclogs.ledger.deliveries import DeliveryStore
from vpclogs.ledger.expirations import ExpirationStore
from vpclogs.ledger.history import HistoryQueries
from vpclogs.ledger.intents import IntentStore
from vpclogs.ledger.listings import ListingStore
from vpclogs.ledger.manifests import ManifestStore
from vpclogs.ledger.monitor_queries import MonitorQueries
from vpclogs.ledger.objects import ObjectStore
from vpclogs.ledger.overview import OverviewQueries
from vpclogs.ledger.partitions import PartitionStore
from vpclogs.ledger.pruning import PruningStore
from vpclogs.ledger.schema_features import FeatureStore
from vpclogs.ledger.statistics import StatisticsStore

__all__ = ["Ledger"]


class Ledger:
    """One attribute per store, all on the database at a SQLAlchemy URL.

    ``url`` is ``sqlite:///file`` or ``postgresql+psycopg2://…``. Opening it applies pending migrations,
    unless ``read_only``, for a login that may only read.

    Raises:
        VpcLogsError: ``read_only``, and the ledger is not of this release.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.database = database = Database(url, read_only=read_only)
        self.objects = ObjectStore(database)
        self.manifests = ManifestStore(database)
        self.listings = ListingStore(database)
        self.intents = IntentStore(database)
        self.cuts = ExpirationStore(database)
        self.partitions = PartitionStore(database)
        self.deliveries = DeliveryStore(database)
        self.traits = FeatureStore(database)
        self.watching = MonitorQueries(database)
        self.alerts = AlertStore(database)
        self.pruning = PruningStore(database)
        self.statistics = StatisticsStore(database)
        self.certificates = CertificateStore(database)
        self.history = HistoryQueries(database)
        self.overview = OverviewQueries(database)
