"""What operators edit, and the one door it comes in by."""

from config.complaints import Complaint, Complaints
from config.load import load, load_document, load_edit
from config.models import Config

__all__ = ["Complaint", "Complaints", "Config", "load", "load_document", "load_edit"]
