"""The tables of the relational registry as queries see them (RegTAP 1.2 s8).

Utypes are paths into a VOResource record, those of columns relative to that of their table (RegTAP 1.2 s6). Free text
is ``unicodeChar``, since it holds what is not ASCII.
"""

# ruff: noqa: E501  (a table reads best with a row on a line)

from __future__ import annotations

from typing import Any

from penstock.tables import Column, ForeignKey, Schema, Table

NAME = "rr"
STANDARD_ID = "ivo://ivoa.net/std/regtap#1.2"
BOUNDS = "coverage_bounds"
"""The private column of rr.stc_spatial."""


def _utype(path: str | None) -> str | None:
    return f"xpath:{path}" if path is not None else None


def _code(name: str, path: str | None, description: str, **more: Any) -> Column:
    """Describe what programs compare: identifiers, terms of vocabularies, addresses."""
    return Column(
        name=name, datatype="char", arraysize="*", utype=_utype(path), description=description, std=True, **more
    )


def _text(name: str, path: str | None, description: str, **more: Any) -> Column:
    """Describe what people read."""
    return Column(
        name=name, datatype="unicodeChar", arraysize="*", utype=_utype(path), description=description, std=True, **more
    )


def _instant(name: str, path: str, description: str) -> Column:
    return Column(
        name=name,
        datatype="char",
        arraysize="19",
        xtype="timestamp",
        utype=_utype(path),
        description=description,
        std=True,
    )


def _real(name: str, path: str, unit: str, description: str, **more: Any) -> Column:
    return Column(
        name=name, datatype="double", unit=unit, utype=_utype(path), description=description, std=True, **more
    )


def _whole(name: str, path: str | None, description: str, **more: Any) -> Column:
    return Column(name=name, datatype="int", utype=_utype(path), description=description, std=True, **more)


def _index(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name=name, datatype="int", description=description, std=True, indexed=True, nullable=nullable)


IVOID = _code("ivoid", "/identifier", "The resource that this belongs to", indexed=True, principal=True, nullable=False)
OF_RESOURCE = ForeignKey(
    target_table="rr.resource", pairs=(("ivoid", "ivoid"),), description="The resource that this belongs to"
)


def _of(table: str, column: str, description: str) -> ForeignKey:
    return ForeignKey(target_table=f"rr.{table}", pairs=(("ivoid", "ivoid"), (column, column)), description=description)


RESOURCE = Table(
    name="resource",
    utype="xpath:/",
    description="Resources of the registry that are active: services, data collections, organisations, authorities",
    columns=(
        _code("ivoid", "identifier", "IVOA identifier of the resource, in lower case", indexed=True, principal=True, nullable=False),
        _code("res_type", "@xsi:type", "Type of the resource with its usual prefix, such as vs:catalogservice", indexed=True, principal=True),
        _instant("created", "@created", "When the description was made (UTC)"),
        _text("short_name", "shortName", "Short name, of 16 characters at most", principal=True),
        _text("res_title", "title", "Full name", principal=True, indexed=True, word_index="rr.resource"),
        _instant("updated", "@updated", "When the description was last changed (UTC)"),
        _code("content_level", "content/contentLevel", "Audiences it is meant for, with # between them"),
        _text("res_description", "content/description", "What the resource is", principal=True, indexed=True, word_index="rr.resource"),
        _code("reference_url", "content/referenceURL", "Page for people about the resource", principal=True, url_path=True),
        _text("creator_seq", "curation/creator/name", "Creators in their order, with semicolons between them", principal=True),
        _code("content_type", "content/type", "Kinds of content, with # between them"),
        _code("source_format", "content/source/@format", "How source_value is written, such as bibcode"),
        _text("source_value", "content/source", "Publication that the resource comes from"),
        _text("res_version", "curation/version", "Version of the resource"),
        _real("region_of_regard", "coverage/regionOfRegard", "deg", "Angle by which positions should be blurred in queries"),
        _code("waveband", "coverage/waveband", "Bands of the spectrum, with # between them"),
        _text("rights", "/rights", "Conditions of use, the first that is stated"),
        _code("rights_uri", "/rights/@rightsURI", "Licence, as a URI"),
    ),
)  # fmt: skip

RES_ROLE = Table(
    name="res_role",
    description="Persons and organisations that made, publish, contribute to or answer for resources",
    columns=(
        IVOID,
        _text("role_name", None, "Name of the person or organisation", indexed=True, principal=True),
        _code("role_ivoid", None, "Its IVOA identifier"),
        _text("street_address", None, "Its postal address"),
        _code("email", None, "Its mail address"),
        _code("telephone", None, "Its telephone number"),
        _code("logo", None, "Address of its logo"),
        _code("base_role", None, "contact, publisher, contributor or creator", principal=True),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

RES_SUBJECT = Table(
    name="res_subject",
    utype="xpath:/content/",
    description="What resources are about",
    columns=(IVOID, _text("res_subject", "subject", "Topic or keyword", indexed=True, principal=True)),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

CAPABILITY = Table(
    name="capability",
    utype="xpath:/capability/",
    description="What services can do",
    columns=(
        IVOID,
        _index("cap_index", "Number of the capability within its resource"),
        _code("cap_type", "@xsi:type", "Type of the capability; to find a standard use standard_id", indexed=True),
        _text("cap_description", "description", "What the capability is for"),
        _code("standard_id", "@standardID", "Standard that the capability follows, in lower case", indexed=True, principal=True),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

RES_SCHEMA = Table(
    name="res_schema",
    utype="xpath:/tableset/schema/",
    description="Sets of tables of resources",
    columns=(
        IVOID,
        _index("schema_index", "Number of the schema within its resource"),
        _text("schema_description", "description", "What the tables have in common"),
        _text("schema_name", "name", "Name of the schema, in lower case", principal=True),
        _text("schema_title", "title", "Name of the schema for people"),
        _code("schema_utype", "utype", "Data model of the schema as a whole"),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

RES_TABLE = Table(
    name="res_table",
    utype="xpath:/(tableset/schema/|)table/",
    description="Tables of resources",
    columns=(
        IVOID,
        _index("schema_index", "Schema of the table, NULL if it has none", nullable=True),
        _text("table_description", "description", "What the table holds", principal=True),
        _text("table_name", "name", "Name of the table as queries write it", indexed=True, principal=True),
        _index("table_index", "Number of the table within its resource"),
        _text("table_title", "title", "Name of the table for people"),
        _code("table_type", "@type", "Role of the table, such as output, base_table or view"),
        _code("table_utype", "utype", "Data model of the table as a whole", indexed=True),
    ),
    foreign_keys=(OF_RESOURCE, _of("res_schema", "schema_index", "The schema of the table")),
)  # fmt: skip

_TYPE_COLUMNS = (
    _text("unit", "unit", "Unit of the values"),
    _code("utype", "utype", "Role in a data model", indexed=True),
    _whole("std", "@std", "1 where a standard defines it, 0 where not, NULL where nothing is said"),
    _code("datatype", "dataType", "Type of the values"),
    _code("extended_schema", "dataType/@extendedSchema", "Where extended_type is defined"),
    _code("extended_type", "dataType/@extendedType", "A type of the provider's own"),
    _code("arraysize", "dataType/@arraysize", "Shape of arrays, as VOTable writes it"),
    _code("delim", "dataType/@delim", "What stands between the elements of an array"),
)  # fmt: skip

TABLE_COLUMN = Table(
    name="table_column",
    utype="xpath:/(tableset/schema/|)/table/column/",
    description="Columns of the tables of resources",
    columns=(
        IVOID,
        _index("table_index", "Table of the column"),
        _text("name", "name", "Name of the column, in lower case", indexed=True, principal=True),
        _code("ucd", "ucd", "Unified content descriptor", indexed=True, principal=True),
        *_TYPE_COLUMNS,
        _code("type_system", "dataType/@xsi:type", "System of the types, such as vs:votabletype"),
        _code("flag", "flag", "Traits such as indexed, primary or nullable, with # between them"),
        _text("column_description", "description", "What the column holds", principal=True),
    ),
    foreign_keys=(OF_RESOURCE, _of("res_table", "table_index", "The table of the column")),
)  # fmt: skip

INTERFACE = Table(
    name="interface",
    utype="xpath:/capability/interface/",
    description="Ways to call capabilities",
    columns=(
        IVOID,
        _index("cap_index", "Capability that is called"),
        _index("intf_index", "Number of the interface within its resource"),
        _code("intf_type", "@xsi:type", "Type of the interface, such as vs:paramhttp or vr:webbrowser", indexed=True, principal=True),
        _code("intf_role", "@role", "std for the interface that the capability's standard defines", principal=True),
        _code("std_version", "@version", "Version of the standard"),
        _code("query_type", "queryType", "HTTP methods, with # between them"),
        _code("result_type", "resultType", "Media type of answers"),
        _code("wsdl_url", "wsdlURL", "Description in WSDL"),
        _code("url_use", "accessURL/@use", "base, full or dir: what the address is to be taken for"),
        _code("access_url", "accessURL", "Address", principal=True, indexed=True, url_path=True),
        _code("mirror_url", "mirrorURL", "Other addresses of the same, with # between them"),
        _whole("authenticated_only", None, "1 where callers have to say who they are, else 0", nullable=False),
    ),
    foreign_keys=(OF_RESOURCE, _of("capability", "cap_index", "The capability that is called")),
)  # fmt: skip

INTF_PARAM = Table(
    name="intf_param",
    utype="xpath:/capability/interface/param/",
    description="Parameters of interfaces",
    columns=(
        IVOID,
        _index("intf_index", "Interface of the parameter"),
        _text("name", "name", "Name of the parameter, in lower case", indexed=True, principal=True),
        _code("ucd", "ucd", "Unified content descriptor", principal=True),
        *_TYPE_COLUMNS,
        _code("param_use", "@use", "required, optional or ignored"),
        _text("param_description", "description", "What the parameter means", principal=True),
    ),
    foreign_keys=(OF_RESOURCE, _of("interface", "intf_index", "The interface of the parameter")),
)  # fmt: skip

RELATIONSHIP = Table(
    name="relationship",
    utype="xpath:/content/relationship/",
    description="What resources have to do with one another",
    columns=(
        IVOID,
        _code("relationship_type", "relationshipType", "Kind of the relationship, in lower case", principal=True),
        _code("related_id", "relatedResource/@ivo-id", "IVOA identifier of the other resource", indexed=True, principal=True),
        _text("related_name", "relatedResource", "Name of the other resource"),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

VALIDATION = Table(
    name="validation",
    utype="xpath:/(capability/|)validationLevel",
    description="How well descriptions and capabilities were found to be",
    columns=(
        IVOID,
        _code("validated_by", "validationLevel/@validatedBy", "Who says so, an IVOA identifier"),
        _whole("val_level", "validationLevel", "0 (merely stored) to 4 (looked at by people)", principal=True),
        _index("cap_index", "The capability, NULL for the whole resource", nullable=True),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

RES_DATE = Table(
    name="res_date",
    utype="xpath:/curation/",
    description="Dates in the life of resources",
    columns=(
        IVOID,
        _instant("date_value", "date", "The date (UTC)"),
        _code("value_role", "date/@role", "What happened then, such as created or updated"),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

RES_DETAIL = Table(
    name="res_detail",
    description="What else descriptions say, by its path in the record",
    columns=(
        IVOID,
        _index("cap_index", "The capability, NULL for the whole resource", nullable=True),
        _code("detail_xpath", None, "Path of the item in the record", indexed=True, principal=True),
        _text("detail_value", None, "Value of the item, its case kept", indexed=True, principal=True),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

ALT_IDENTIFIER = Table(
    name="alt_identifier",
    utype="xpath:/(curation/creator/|)altIdentifier",
    description="Other identifiers of resources and their creators, such as DOI and ORCID",
    columns=(IVOID, _code("alt_identifier", "", "The identifier, as a URI", indexed=True, principal=True)),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

STC_SPATIAL = Table(
    name="stc_spatial",
    utype="xpath:/coverage/spatial",
    description="Where on the sky resources have data",
    columns=(
        IVOID,
        Column(name="coverage", datatype="char", arraysize="*", xtype="moc", utype="xpath:.", description="The area, as a MOC", principal=True, std=True, moc_bounds=BOUNDS),
        _code("ref_system_name", "@frame", "Reserved: NULL for the sky in ICRS"),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

STC_TEMPORAL = Table(
    name="stc_temporal",
    utype="xpath:/coverage/temporal",
    description="For which times resources have data",
    columns=(
        IVOID,
        _real("time_start", ".", "d", "Begin of an interval, as MJD", indexed=True, principal=True),
        _real("time_end", ".", "d", "End of the interval, as MJD", principal=True),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

STC_SPECTRAL = Table(
    name="stc_spectral",
    utype="xpath:/coverage/spectral",
    description="For which energies of photons or other messengers resources have data",
    columns=(
        IVOID,
        _real("spectral_start", ".", "J", "Lower end of an interval, at the barycentre", indexed=True, principal=True),
        _real("spectral_end", ".", "J", "Upper end of the interval, at the barycentre", principal=True),
    ),
    foreign_keys=(OF_RESOURCE,),
)  # fmt: skip

TAP_TABLE = Table(
    name="tap_table",
    table_type="view",
    description="Tables that can be queried over TAP, once for each table of each service",
    columns=(
        _code("resid", None, "The resource that describes the table best", principal=True),
        _code("svcid", None, "The TAP service that answers queries on it", principal=True),
        _text("table_name", "name", "Name of the table as queries write it", principal=True),
        _text("table_title", "title", "Name of the table for people"),
        _text("table_description", "description", "What the table holds", principal=True),
        _code("table_utype", "utype", "Data model of the table as a whole"),
    ),
)  # fmt: skip

FILLED = (
    RESOURCE,
    RES_ROLE,
    RES_SUBJECT,
    CAPABILITY,
    INTERFACE,
    INTF_PARAM,
    RES_SCHEMA,
    RES_TABLE,
    TABLE_COLUMN,
    RELATIONSHIP,
    VALIDATION,
    RES_DATE,
    RES_DETAIL,
    ALT_IDENTIFIER,
    STC_SPATIAL,
    STC_TEMPORAL,
    STC_SPECTRAL,
)
"""The tables that records fill, each after those that it refers to; `TAP_TABLE` is made from them."""

SCHEMAS = (
    Schema(
        name=NAME,
        tables=(*FILLED, TAP_TABLE),
        description="The VO Registry as tables (RegTAP 1.2)",
        utype=STANDARD_ID,
    ),
)
