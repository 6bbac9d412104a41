<resource schema="example" resdir="example">
  <meta name="creationDate">2026-11-20T00:00:00Z</meta>
  <meta name="title">Test stars</meta>
  <meta name="description">Generated stars for comparisons.</meta>
  <meta name="creator.name">Test, T.</meta>
  <meta name="subject">surveys</meta>
  <meta name="publisher">Test</meta>
  <meta name="contact.name">Test</meta><meta name="contact.email">test@example.org</meta>
  <table id="stars" onDisk="True" adql="True" mixin="//scs#q3cindex">
    <column name="id" type="bigint" required="True" ucd="meta.id;meta.main" description="id"/>
    <column name="raj2000" type="double precision" unit="deg" ucd="pos.eq.ra;meta.main" description="RA"/>
    <column name="dej2000" type="double precision" unit="deg" ucd="pos.eq.dec;meta.main" description="Dec"/>
    <column name="mag" type="real" unit="mag" ucd="phot.mag" description="magnitude"/>
    <column name="name" type="text" ucd="meta.id" description="name"/>
    <column name="pmra" type="real" unit="mas/yr" ucd="pos.pm" description="pm"/>
    <column name="flag" type="integer" ucd="meta.code" description="flag"><values nullLiteral="-1"/></column>
  </table>
  <data id="import">
    <sources>stars.csv</sources>
    <csvGrammar/>
    <make table="stars"><rowmaker idmaps="*"/></make>
  </data>
  <service id="cone" allowed="scs.xml,form,static">
    <meta name="shortName">teststars cone</meta>
    <meta name="testQuery.ra">10</meta><meta name="testQuery.dec">10</meta><meta name="testQuery.sr">5</meta>
    <scsCore queriedTable="stars"><FEED source="//scs#coreDescs"/></scsCore>
    <publish render="scs.xml" sets="ivo_managed"/>
  </service>
</resource>
