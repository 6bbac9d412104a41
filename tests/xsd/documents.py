"""Valid documents of every namespace, rich enough that a mutation of any rule of a schema has something to bite."""

from __future__ import annotations

from xsd import Edition

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
UWS = f'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink" {XSI}'
VO = (
    f'{XSI} xmlns:ri="http://www.ivoa.net/xml/RegistryInterface/v1.0" xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0"'
    ' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" xmlns:vg="http://www.ivoa.net/xml/VORegistry/v1.0"'
    ' xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" xmlns:vstd="http://www.ivoa.net/xml/StandardsRegExt/v1.0"'
    ' xmlns:cs="http://www.ivoa.net/xml/ConeSearch/v1.0" xmlns:sia="http://www.ivoa.net/xml/SIA/v1.1"'
    ' xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" xmlns:vtm="http://www.ivoa.net/xml/VOSITables/v1.0"'
)

JOB = f"""<uws:job version="1.1" {UWS}>
  <uws:jobId>abc</uws:jobId><uws:runId>run 1</uws:runId><uws:ownerId>ada</uws:ownerId><uws:phase>ERROR</uws:phase>
  <uws:quote>2026-01-01T00:00:00Z</uws:quote><uws:creationTime>2026-01-01T00:00:00.123Z</uws:creationTime>
  <uws:startTime>2026-01-01T00:00:00Z</uws:startTime><uws:endTime>2026-01-01T00:00:01Z</uws:endTime>
  <uws:executionDuration>60</uws:executionDuration><uws:destruction>2026-02-01T00:00:00Z</uws:destruction>
  <uws:parameters><uws:parameter id="A">1</uws:parameter>
    <uws:parameter id="B" byReference="true" isPost="false">https://penstock.example/b</uws:parameter></uws:parameters>
  <uws:results><uws:result id="r" xlink:type="simple" xlink:href="https://penstock.example/r" size="12"
     mime-type="text/plain" xmlns:c="urn:uwscustom" c:sha256="00"/></uws:results>
  <uws:errorSummary type="fatal" hasDetail="true"><uws:message>no</uws:message></uws:errorSummary>
  <uws:jobInfo><progress xmlns="urn:x">0.5</progress></uws:jobInfo>
</uws:job>"""

PENDING = f"""<uws:job version="1.1" {UWS}><uws:jobId>abc</uws:jobId><uws:ownerId xsi:nil="true"/>
  <uws:phase>PENDING</uws:phase><uws:quote xsi:nil="true"/><uws:startTime xsi:nil="true"/><uws:endTime xsi:nil="true"/>
  <uws:executionDuration>0</uws:executionDuration><uws:destruction xsi:nil="true"/><uws:results/></uws:job>"""

JOBS = f"""<uws:jobs version="1.1" {UWS}>
  <uws:jobref id="a" xlink:href="https://penstock.example/a"><uws:phase>HELD</uws:phase><uws:runId>x</uws:runId>
    <uws:ownerId xsi:nil="true"/><uws:creationTime>2026-01-01T00:00:00Z</uws:creationTime></uws:jobref>
  <uws:jobref id="b" xlink:type="simple"><uws:phase>ARCHIVED</uws:phase></uws:jobref></uws:jobs>"""

PARAMETERS = f'<uws:parameters {UWS}><uws:parameter id="LANG">ADQL</uws:parameter></uws:parameters>'
RESULTS = f'<uws:results {UWS}><uws:result id="result" xlink:href="https://penstock.example/r"/></uws:results>'

AVAILABILITY = """<availability xmlns="http://www.ivoa.net/xml/VOSIAvailability/v1.0">
  <available>true</available><upSince>2026-01-01T00:00:00Z</upSince><downAt>2026-02-01T00:00:00Z</downAt>
  <backAt>2026-02-02T00:00:00Z</backAt><note>one</note><note>two</note></availability>"""

TAP_INTERFACE = """<interface xsi:type="vs:ParamHTTP" role="std" version="1.1">
    <accessURL use="base">https://penstock.example/tap</accessURL><mirrorURL title="m">https://m.example/tap</mirrorURL>
    SECURITY<testQueryString>QUERY=x</testQueryString><queryType>GET</queryType><queryType>POST</queryType>
    <resultType>application/x-votable+xml</resultType>
    <param use="required" std="true"><name>ID</name><description>an id</description><unit>m</unit><ucd>meta.id</ucd>
      <utype>a:b</utype><dataType arraysize="*">string</dataType></param>
    <param use="ignored"><name>P</name><dataType xsi:type="vs:SimpleDataType" delim=",">real</dataType></param>
    <testQuery>ID=1</testQuery></interface>"""
ONE_METHOD = '<securityMethod standardID="ivo://ivoa.net/sso#BasicAA"/>'
TAP_BODY = """<dataModel ivo-id="ivo://ivoa.net/std/ObsCore#core-1.1">ObsCore-1.1</dataModel>
  <language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.1">2.1</version><version>2.0</version>
    <description>ADQL</description><languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-udf">
      <feature><form>f(x REAL) -> REAL</form><description>d</description></feature></languageFeatures></language>
  <outputFormat ivo-id="ivo://ivoa.net/std/TAPRegExt#output-votable-td"><mime>application/x-votable+xml</mime>
    <alias>votable</alias></outputFormat><uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-inline"/>
  <retentionPeriod><default>10</default><hard>20</hard></retentionPeriod>
  <executionDuration><default>10</default></executionDuration>
  <outputLimit><default unit="row">10</default><hard unit="byte">20</hard></outputLimit>
  <uploadLimit><hard unit="row">20</hard></uploadLimit>"""


def capabilities(*inside: str) -> str:
    return f"<vosi:capabilities {VO}>{''.join(inside)}</vosi:capabilities>"


def tap(security: str, body: str = TAP_BODY) -> str:
    interface = TAP_INTERFACE.replace("SECURITY", security)
    return (
        '<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">'
        f'<validationLevel validatedBy="ivo://example.org/r">2</validationLevel><description>d</description>'
        f"{interface}{body}</capability>"
    )


WEB = """<capability standardID="ivo://ivoa.net/std/DALI#examples"><interface xsi:type="vr:WebBrowser">
   <accessURL use="full">https://penstock.example/tap/examples</accessURL></interface>
   <interface xsi:type="vr:WebService"><accessURL use="dir">https://penstock.example/w/</accessURL>
   <wsdlURL>https://penstock.example/w?wsdl</wsdlURL></interface></capability>"""
CONE = """<capability xsi:type="cs:ConeSearch" standardID="ivo://ivoa.net/std/ConeSearch"><maxSR>180</maxSR>
  <maxRecords>10</maxRecords><verbosity>true</verbosity><testQuery><ra>1</ra><dec>-2</dec><sr>0.1</sr><verb>2</verb>
  <catalog>c</catalog><extras>e</extras></testQuery></capability>"""
SIA = """<capability xsi:type="sia:SimpleImageAccess" standardID="ivo://ivoa.net/std/SIA">
  <imageServiceType>Cutout</imageServiceType><maxQueryRegionSize><long>1</long><lat>2</lat></maxQueryRegionSize>
  <maxImageExtent><long>1</long><lat>2</lat></maxImageExtent><maxImageSize>1</maxImageSize><maxFileSize>2</maxFileSize>
  <maxRecords>3</maxRecords><testQuery><pos><long>1</long><lat>2</lat></pos><size><long>1</long><lat>2</lat></size>
  <verb>1</verb><extras>x</extras></testQuery></capability>"""
DRAFT_TAP = TAP_BODY.replace(
    "<executionDuration>",
    '<retentionPeriod forMode="sync"><default>1</default></retentionPeriod><executionDuration forMode="async">',
)
DALI_INTERFACE = """<capability><interface xsi:type="tr:DALIInterface"><accessURL>https://penstock.example/t</accessURL>
  <endpoint><name>sync</name><meta property="urn:p" about="urn:a" resource="urn:r">x</meta></endpoint>
  </interface></capability>"""

SCHEMA = """<schema><name>ivoa</name><title>t</title><description>d</description><utype>u</utype>
  <table type="base_table"><name>ivoa.obscore</name><title>t</title><description>d</description><utype>u</utype>
    <nrows>12</nrows>
    <column std="true"><name>obs_id</name><description>d</description><unit>deg</unit><ucd>meta.id</ucd><utype>u</utype>
      <dataType xsi:type="vs:VOTableType" arraysize="8x12*" delim=" " extendedType="e" extendedSchema="urn:e"
      >char</dataType>
      <flag>indexed</flag><flag>principal</flag></column>
    <column><name>n</name><dataType xsi:type="vs:TAPType" size="3">VARCHAR</dataType></column>
    <foreignKey><targetTable>a.b</targetTable><fkColumn><fromColumn>x</fromColumn><targetColumn>y</targetColumn></fkColumn>
      <description>d</description><utype>u</utype></foreignKey></table>
  <table><name>ivoa.other</name></table></schema>"""
TABLESET = f"<vtm:tableset {VO}>{SCHEMA}<schema><name>TAP_SCHEMA</name></schema></vtm:tableset>"
TABLE = f"<vtm:table {VO} type='view'><name>a.b</name><column><name>c</name></column></vtm:table>"

DATES = 'created="2026-01-01T00:00:00Z" updated="2026-01-02T00:00:00.5Z" status="active"'
HEAD = """<validationLevel validatedBy="ivo://example.org/r">2</validationLevel><title>A title</title>
  <shortName>short</shortName><identifier>ivo://example.org/a/b</identifier><altIdentifier>doi:10.1/2</altIdentifier>
  <curation><publisher ivo-id="ivo://example.org/org">P</publisher>
    <creator ivo-id="ivo://example.org/me"><name>C</name><logo>https://example.org/l.png</logo>
      <altIdentifier>orcid:0</altIdentifier></creator>
    <contributor>X</contributor><date role="Created">2026-01-01</date><date>2026-01-01T00:00:00</date>
    <version>1</version>
    <contact ivo-id="ivo://example.org/me"><name>N</name><address>A</address><email>a@example.org</email>
      <telephone>1</telephone><altIdentifier>orcid:0</altIdentifier></contact></curation>
  <content><subject>surveys</subject><subject>galaxies</subject><description>D</description>
    <source format="bibcode">2026A</source><referenceURL>https://example.org/</referenceURL><type>Archive</type>
    <contentLevel>Research</contentLevel><relationship><relationshipType>IsServedBy</relationshipType>
      <relatedResource ivo-id="ivo://example.org/s">S</relatedResource></relationship></content>"""
ORIGIN = "<facility>F</facility><instrument>I</instrument>"
COVERAGE = """<coverage><spatial frame="ICRS">6/1-3</spatial><temporal>50000 51000.5</temporal>
  <spectral>1e-19 2.5E-18</spectral><footprint ivo-id="ivo://example.org/f">https://example.org/f</footprint>
  <waveband>Radio</waveband><waveband>Optical</waveband><regionOfRegard>0.1</regionOfRegard></coverage>"""
RIGHTS = '<rights rightsURI="https://example.org/r">open</rights>'


def record(kind: str, tail: str, version: str = "1.2") -> str:
    """Return a registry record of the type `kind` that ends with `tail`."""
    typed = f'xsi:type="{kind}"' if kind else ""
    return f'<ri:Resource xmlns="" {VO} {typed} version="{version}" {DATES}>{HEAD}{tail}</ri:Resource>'


HARVEST = """<capability xsi:type="vg:Harvest" standardID="ivo://ivoa.net/std/Registry">
  <interface xsi:type="vg:OAIHTTP" role="std" version="1.0"><accessURL>https://example.org/oai</accessURL></interface>
  <interface xsi:type="vg:OAISOAP"><accessURL>https://example.org/s</accessURL></interface>
  <maxRecords>100</maxRecords></capability>"""
SEARCH = """<capability xsi:type="vg:Search"><maxRecords>1</maxRecords>
  <extensionSearchSupport>core</extensionSearchSupport><optionalProtocol>XQuery</optionalProtocol></capability>"""
KEY = "<key><name>output-votable-td</name><description>d</description></key>"
ENDORSED = """<endorsedVersion status="rec" use="preferred">1.0</endorsedVersion>
  <schema namespace="urn:s"><location>https://example.org/s.xsd</location><description>d</description>
  <example>https://example.org/e.xml</example></schema><deprecated>no</deprecated>"""

DC_ELEMENTS = [
    "title",
    "creator",
    "subject",
    "description",
    "publisher",
    "contributor",
    "date",
    "type",
    "format",
    "identifier",
    "source",
    "language",
    "relation",
    "coverage",
    "rights",
]
DC = (
    '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    + "".join(f'<dc:{name} xml:lang="en">x</dc:{name}>' for name in DC_ELEMENTS)
    + "</oai_dc:dc>"
)


def oai(inside: str, **request: str) -> str:
    """Return an OAI-PMH answer."""
    said = "".join(f' {name}="{value}"' for name, value in request.items())
    return (
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-01-01T00:00:00Z</responseDate>'
        f"<request{said}>https://example.org/oai</request>{inside}</OAI-PMH>"
    )


TOKEN = '<resumptionToken expirationDate="2026-01-01T00:00:00Z" completeListSize="9" cursor="0">t</resumptionToken>'
HEADER = (
    "<header><identifier>ivo://a</identifier><datestamp>2026-01-01T00:00:00Z</datestamp><setSpec>a:b</setSpec></header>"
)
DELETED = '<header status="deleted"><identifier>ivo://a</identifier><datestamp>2026-01-01</datestamp></header>'
ORGANISATION = record("vr:Organisation", ORIGIN)
IDENTIFY = f"""<Identify><repositoryName>R</repositoryName><baseURL>https://example.org/oai</baseURL>
  <protocolVersion>2.0</protocolVersion><adminEmail>a@example.org</adminEmail><earliestDatestamp>2026-01-01</earliestDatestamp>
  <deletedRecord>persistent</deletedRecord><granularity>YYYY-MM-DDThh:mm:ssZ</granularity><compression>gzip</compression>
  <description>{ORGANISATION}</description></Identify>"""

VOTABLE = """<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
  <INFO name="QUERY_STATUS" value="OK"/><TABLE><FIELD name="a" datatype="char" arraysize="*"/><DATA><TABLEDATA>
  <TR><TD>x</TD></TR></TABLEDATA></DATA></TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE></VOTABLE>"""

TWO_METHODS = f"<securityMethod/>{ONE_METHOD}"
VALID: dict[str, tuple[Edition, str]] = {
    "job": (Edition.ENDPOINT, JOB),
    "pending job": (Edition.ENDPOINT, PENDING),
    "jobs": (Edition.ENDPOINT, JOBS),
    "parameters": (Edition.ENDPOINT, PARAMETERS),
    "results": (Edition.ENDPOINT, RESULTS),
    "availability": (Edition.ENDPOINT, AVAILABILITY),
    "capabilities": (Edition.ENDPOINT, capabilities(tap(TWO_METHODS), WEB, CONE, SIA)),
    "draft capabilities": (Edition.DRAFT, capabilities(tap(TWO_METHODS, DRAFT_TAP), DALI_INTERFACE)),
    "tableset": (Edition.ENDPOINT, TABLESET),
    "table": (Edition.ENDPOINT, TABLE),
    "old record": (Edition.ENDPOINT, record("vr:Service", RIGHTS + tap(TWO_METHODS), "1.1")),
    "resource": (Edition.RECORD, record("", "")),
    "organisation": (Edition.RECORD, ORGANISATION),
    "collection": (
        Edition.RECORD,
        record(
            "vs:DataCollection",
            f'{ORIGIN}{RIGHTS}<format isMIMEType="true">image/fits</format>{COVERAGE}<tableset>{SCHEMA}</tableset>'
            '<accessURL use="full">https://example.org/c</accessURL>',
        ),
    ),
    "data service": (Edition.RECORD, record("vs:DataService", RIGHTS + tap(ONE_METHOD) + ORIGIN + COVERAGE)),
    "catalogue": (
        Edition.RECORD,
        record("vs:CatalogService", f"{RIGHTS}{tap('')}{ORIGIN}{COVERAGE}<tableset>{SCHEMA}</tableset>"),
    ),
    "registry": (
        Edition.RECORD,
        record(
            "vg:Registry",
            f"{RIGHTS}{HARVEST}{SEARCH}<full>false</full><managedAuthority>example.org</managedAuthority>"
            f"<tableset>{SCHEMA}</tableset>",
        ),
    ),
    "authority": (
        Edition.RECORD,
        record("vg:Authority", '<managingOrg ivo-id="ivo://example.org/o" altIdentifier="urn:o">O</managingOrg>'),
    ),
    "standard": (
        Edition.RECORD,
        record("vstd:ServiceStandard", f"{ENDORSED}{KEY}{TAP_INTERFACE.replace('SECURITY', '')}"),
    ),
    "keys": (Edition.RECORD, record("vstd:StandardKeyEnumeration", KEY + KEY)),
    "records": (
        Edition.RECORD,
        f'<ri:VOResources {VO} from="1" numberReturned="1" more="false">{ORGANISATION}</ri:VOResources>',
    ),
    "identifiers": (
        Edition.RECORD,
        f'<ri:VOResources {VO} from="1" numberReturned="1" more="false"><ri:identifier>ivo://example.org/a</ri:identifier>'
        "</ri:VOResources>",
    ),
    "dublin core": (Edition.RECORD, DC),
    "identify": (Edition.RECORD, oai(IDENTIFY, verb="Identify")),
    "formats": (
        Edition.RECORD,
        oai(
            "<ListMetadataFormats><metadataFormat><metadataPrefix>ivo_vor</metadataPrefix><schema>urn:s</schema>"
            "<metadataNamespace>urn:n</metadataNamespace></metadataFormat></ListMetadataFormats>",
            verb="ListMetadataFormats",
            identifier="ivo://example.org/a",
        ),
    ),
    "sets": (
        Edition.RECORD,
        oai(
            f"<ListSets><set><setSpec>ivo_managed</setSpec><setName>n</setName><setDescription>{DC}</setDescription></set>"
            f"{TOKEN}</ListSets>",
            verb="ListSets",
            resumptionToken="a",
        ),
    ),
    "get record": (
        Edition.RECORD,
        oai(
            f"<GetRecord><record>{HEADER}<metadata>{DC}</metadata><about>{DC}</about></record></GetRecord>",
            verb="GetRecord",
            metadataPrefix="oai_dc",
        ),
    ),
    "headers": (
        Edition.RECORD,
        oai(
            f"<ListIdentifiers>{HEADER}{DELETED}{TOKEN}</ListIdentifiers>",
            verb="ListIdentifiers",
            **{"from": "2026-01-01", "until": "2026-01-02T00:00:00Z", "set": "a:b"},
        ),
    ),
    "list records": (
        Edition.RECORD,
        oai(
            f"<ListRecords><record>{HEADER}<metadata>{ORGANISATION}</metadata></record><record>{DELETED}</record>"
            "</ListRecords>",
            verb="ListRecords",
        ),
    ),
    "oai error": (Edition.RECORD, oai('<error code="badVerb">no</error><error code="badArgument">no</error>')),
    "votable": (Edition.ENDPOINT, VOTABLE),
}
