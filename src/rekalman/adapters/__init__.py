"""rekalman in the interfaces of other libraries."""
