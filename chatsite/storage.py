"""Static files under hashed names, the imports between our ES modules included."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    # Without it a module keeps importing the unhashed name of its neighbour, and a browser that
    # cached the old one runs two versions of the page together.
    support_js_module_import_aggregation = True
