"""Why an import, or a row of it, is refused, in words."""

from __future__ import annotations

from hub.errors import BadParameter, HubError
from hub.services.people.import_export.imports import MAX_UPLOAD_BYTES
from hub.services.people.import_export.plan import RefusalCode, RowRefusal
from hub.store.people.person_fields import PERSON_FIELDS
from hub.wire.code_tables import CATEGORIES, GENDERS
from web import language
from web.http.bodies import TooSlow
from web.language import N_, gettext
from web.pages.shown.form_fields import describe_photo_fault
from web.pages.upload_errors import describe_form_error

_COLUMNS = {
    **{name: field.label for name, field in PERSON_FIELDS.items()},
    "groups": N_("Groups of cameras"),
    "photo": N_("Photo"),
}

#: What stands in columns of words.
_WORDS = {"category": CATEGORIES, "gender": GENDERS}

_ROWS: dict[RefusalCode, str] = {
    "shortened": N_(
        "%(field)s: a spreadsheet has shortened the number (%(value)s). Format the column as text."
    ),
    "word": N_("%(field)s: the word “%(value)s” is not known. Allowed: %(allowed)s."),
    "number": N_("%(field)s: “%(value)s” is not a whole number."),
    "time": N_("%(field)s: “%(value)s” is not a date, such as 2026-12-31 or 2026-12-31 18:00."),
    "wrong": N_("%(field)s: this value is not allowed."),
    "nobody": N_("No one in the register has this number or name: %(value)s."),
    "no name": N_("A new person needs a name."),
    "several": N_("Several people match: %(value)s. Give the person ID."),
    "repeated": N_("Row %(line)s is for the same person."),
    "group": N_("There is no group of cameras “%(value)s”."),
    "no photo": N_("The ZIP has no photo “%(value)s”."),
    "several photos": N_("The ZIP has several photos for this person."),
    "full": N_("The register is full."),
}
_TABLES = {
    "empty": N_("The table is empty."),
    "encoding": N_("The table is neither UTF-8 nor GB18030. In Excel, save it as “CSV UTF-8”."),
    "columns": N_("The first row must name the columns. One of pid, work_id and name is required."),
    "twice": N_("There are two columns for %(field)s."),
    "long": N_("Row %(value)s is too long for a table. Is a quotation mark missing?"),
    "csv": N_("Row %(value)s is not valid CSV. Is a quotation mark missing?"),
}
_ARCHIVES = {
    "no zip": N_("The file is damaged or is not a ZIP file."),
    "bomb": N_("Unpacked, the ZIP file would be far too large for photos. It was not unpacked."),
    "path": N_("A file in the ZIP points to another folder: %(value)s. It was not unpacked."),
    "name": N_("A file in the ZIP has an invalid name: %(value)s."),
    "encrypted": N_("The ZIP file is encrypted. Pack the photos without a password."),
    "workbook": N_("This is an Excel workbook. In Excel, save it as “CSV UTF-8”, and choose that."),
    "several csv": N_("There are several tables in the ZIP file. Leave one in it."),
}


def describe_refusal(refusal: RowRefusal) -> str:
    """Why a row is refused."""
    if refusal.code == "photo":
        return describe_photo_fault(refusal.value)
    values = {
        "field": gettext(_COLUMNS.get(refusal.field, refusal.field)),
        "value": refusal.value,
        "line": refusal.other_line,
        "allowed": gettext(", ").join(
            name.of(language.current().code)
            for code, name in _WORDS.get(refusal.field, {}).items()
            if code
        ),
    }
    return gettext(_ROWS[refusal.code]) % values


def describe_import_error(error: HubError) -> str:
    """Why nothing is imported."""
    # Imported here: many hubs never see a table or a ZIP file.
    from hub.services.people.import_export.photo_archive import MAX_FILES, BadArchive
    from hub.services.people.import_export.table_reader import MAX_CSV_BYTES, MAX_ROWS, BadTable

    match error:
        case BadTable(fault="size"):
            return gettext("The table is too large. The limit is %(n)s MB.") % {
                "n": MAX_CSV_BYTES >> 20
            }
        case BadTable(fault="rows"):
            return gettext("The table has too many rows. The limit is %(n)s.") % {"n": MAX_ROWS}
        case BadTable():
            field = gettext(_COLUMNS.get(error.value, error.value))
            return gettext(_TABLES[error.fault]) % {"field": field, "value": error.value}
        case BadArchive(fault="files"):
            return gettext("There are too many files in the ZIP. The limit is %(n)s.") % {
                "n": MAX_FILES
            }
        case BadArchive() if error.fault in _ARCHIVES:
            return gettext(_ARCHIVES[error.fault]) % {"value": error.value}
        case TooSlow():
            return describe_form_error(error, 0)
        case BadParameter(field="file"):
            return gettext("Choose a table, a ZIP file of photos, or one of each.")
    return describe_form_error(error, MAX_UPLOAD_BYTES >> 20)
