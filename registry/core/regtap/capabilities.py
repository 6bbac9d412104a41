"""What services can do, and how they are called: capabilities, interfaces, parameters.

Indices count from 1, interfaces within the whole record. What lies outside of capabilities is no interface of the
registry (RegTAP 1.2 s8.8).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from lxml import etree

from registry.core.regtap.resource import validation_rows
from registry.core.regtap.values import Row, clean, folded, folded_list, hash_list, text_of, texts, truth, type_of


def capability_rows(record: etree._Element) -> Iterator[tuple[str, Row]]:
    """Yield the rows of ``capability``, ``interface`` and ``intf_param``, and validations of capabilities."""
    interface_numbers = count(1)
    for cap_index, capability in enumerate(record.iterfind("capability"), start=1):
        yield (
            "capability",
            {
                "cap_index": cap_index,
                "cap_type": type_of(capability),
                "cap_description": text_of(capability, "description"),
                "standard_id": folded(capability.get("standardID")),
            },
        )
        yield from validation_rows(capability, cap_index)
        for interface in capability.iterfind("interface"):
            intf_index = next(interface_numbers)
            yield "interface", _interface(interface, cap_index, intf_index)
            for param in interface.iterfind("param"):
                yield "intf_param", {"intf_index": intf_index, **_param(param)}


def _interface(interface: etree._Element, cap_index: int, intf_index: int) -> Row:
    address = interface.find("accessURL")
    return {
        "cap_index": cap_index,
        "intf_index": intf_index,
        "intf_type": type_of(interface),
        "intf_role": folded(interface.get("role")),
        "std_version": folded(interface.get("version")),
        "query_type": folded_list(interface, "queryType"),
        "result_type": folded(text_of(interface, "resultType")),
        "wsdl_url": text_of(interface, "wsdlURL"),
        "url_use": folded(address.get("use")) if address is not None else None,
        "access_url": text_of(address),
        "mirror_url": hash_list(texts(interface, "mirrorURL")),
        "authenticated_only": int(_wants_to_know_callers(interface)),
    }


def _wants_to_know_callers(interface: etree._Element) -> bool:
    """Tell whether all its security methods are methods: an empty one stands for anybody (RegTAP 1.2 s8.8)."""
    methods = interface.findall("securityMethod")
    return bool(methods) and all(clean(method.get("standardID")) for method in methods)


def _param(param: etree._Element) -> Row:
    return {
        **typed(param),
        "param_use": folded(param.get("use")),
        "param_description": text_of(param, "description"),
    }


def typed(element: etree._Element) -> Row:
    """Return what parameters and columns have in common."""
    datatype = element.find("dataType")
    attribute = datatype.get if datatype is not None else _nothing
    return {
        "name": folded(text_of(element, "name")),
        "ucd": folded(text_of(element, "ucd")),
        "unit": text_of(element, "unit"),
        "utype": folded(text_of(element, "utype")),
        "std": truth(element.get("std")),
        "datatype": folded(text_of(datatype)),
        "extended_schema": clean(attribute("extendedSchema")),
        "extended_type": clean(attribute("extendedType")),
        "arraysize": clean(attribute("arraysize")),
        "delim": clean(attribute("delim")),
    }


def _nothing(_name: str) -> None:
    return None
