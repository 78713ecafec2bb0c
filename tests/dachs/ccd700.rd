<resource schema="ccd700">
	<!-- What the service of the Ondrejov archive offers, for DaCHS 2.7: two SSA rows for each spectrum (FITS and VOTable),
	dlget with FLUXCALIB (relative, UNCALIBRATED, normalized), BAND and FORMAT, dlmeta, TAP. The observations come from
	rows.csv; beside each product, NAME.npy has wavelength, counts and normalized flux. -->
	<meta name="creationDate">2026-11-22T00:00:00Z</meta>
	<meta name="title">Made-up spectra in the manner of Ondrejov CCD700</meta>
	<meta name="description">Synthetic H-alpha spectra; nothing here was ever observed.</meta>
	<meta name="creator.name">harvester developers</meta>
	<meta name="subject">spectroscopy</meta>
	<meta name="instrument">COUDE700</meta>

	<table id="data" onDisk="True" adql="True">
		<meta name="_associatedDatalinkService">
			<meta name="serviceId">sdl</meta>
			<meta name="idColumn">ssa_pubDID</meta>
		</meta>
		<mixin fluxUnit="count" fluxUCD="phot.flux.density" spectralUnit="Angstrom" spectralSI="Angstrom"
			publisher="ivo://asu.cas.cz/org"
			datasource="pointed" creationType="archival" fluxCalibration="UNCALIBRATED" spectralCalibration="ABSOLUTE"
			>//ssap#hcd</mixin>
		<column name="raj2000" type="text" ucd="pos.eq.ra;meta.main" description="Right ascension as the observers wrote it"/>
		<column name="dej2000" type="text" ucd="pos.eq.dec;meta.main" description="Declination as the observers wrote it"/>
		<column name="observer" type="text" description="Who observed"/>
		<column name="mhjd" type="double precision" description="Heliocentric MJD of mid-exposure"/>
		<column name="vhelio" type="double precision" description="Heliocentric correction"/>
		<column name="grat_angle" type="double precision" unit="deg" description="Angle of the grating"/>
		<column name="spg_setup" type="text" description="Setup of the spectrograph"/>
		<column name="detector" type="text" description="Detector"/>
		<column name="instrument" type="text" description="Instrument"/>
		<column name="telescope" type="text" description="Telescope"/>
		<column name="expval" type="double precision" description="Counts of the exposure meter"/>
	</table>

	<data id="import">
		<sources pattern="rows.csv"/>
		<csvGrammar>
			<rowfilter procDef="//products#define">
				<bind name="table">"\schema.data"</bind>
				<bind name="accref">@accref</bind>
				<bind name="path">@accref</bind>
				<bind name="fsize">int(@accsize)</bind>
				<bind name="mime">@mime</bind>
			</rowfilter>
		</csvGrammar>
		<make table="data">
			<rowmaker idmaps="*">
				<apply procDef="//ssap#setMeta">
					<bind name="dstitle">@title</bind>
					<bind name="pubDID">@did</bind>
					<bind name="cdate">@cdate</bind>
					<bind name="pdate">@pdate</bind>
					<bind name="bandpass">"Optical"</bind>
					<bind name="targname">@targname</bind>
					<bind name="targclass">"star"</bind>
					<bind name="alpha">@ra</bind>
					<bind name="delta">@dec</bind>
					<bind name="aperture">0.000167</bind>
					<bind name="dateObs">float(@mjd)</bind>
					<bind name="timeExt">float(@exposure)</bind>
					<bind name="specstart">float(@specstart)</bind>
					<bind name="specend">float(@specend)</bind>
					<bind name="length">int(@points)</bind>
				</apply>
				<!-- setMeta puts half the width there -->
				<map dest="ssa_specmid">(float(@specstart)+float(@specend))/2</map>
			</rowmaker>
		</make>
	</data>

	<table id="spectrum" onDisk="False">
		<mixin ssaTable="data" spectralDescription="Air wavelength" fluxDescription="Relative flux"
			>//ssap#sdm-instance</mixin>
	</table>

	<data id="build_spectrum" auto="False">
		<embeddedGrammar>
			<iterator>
				<setup imports="numpy, os">
					<code>
						from gavo import base
					</code>
				</setup>
				<code>
					stem = os.path.splitext(self.sourceToken["accref"])[0]
					wave, counts, _ = numpy.load(os.path.join(base.getConfig("inputsDir"), stem+".npy"))
					for spectral, flux in zip(wave.tolist(), counts.tolist()):
						yield {"spectral": spectral, "flux": flux}
				</code>
			</iterator>
		</embeddedGrammar>
		<make table="spectrum">
			<parmaker>
				<apply procDef="//ssap#feedSSAToSDM"/>
			</parmaker>
		</make>
	</data>

	<service id="sdl" allowed="dlget,dlmeta">
		<meta name="title">Made-up spectra: links and processing</meta>
		<datalinkCore>
			<descriptorGenerator procDef="//soda#sdm_genDesc">
				<bind name="ssaTD">"\rdId#data"</bind>
				<bind name="useAccref">False</bind>
			</descriptorGenerator>
			<dataFunction procDef="//soda#sdm_genData">
				<bind name="builder">"\rdId#build_spectrum"</bind>
			</dataFunction>
			<metaMaker>
				<code>
					yield MS(InputKey, name="FLUXCALIB", type="text", multiplicity="forced-single",
						ucd="phot.calib", utype="ssa:Char.FluxAxis.Calibration",
						description="Recalibrate the spectrum: 'relative' for max(flux)=1, 'normalized' for precomputed"
							" normalization.",
						values=MS(Values, caseless=True, options=[
							MS(Option, content_=value) for value in ("relative", "UNCALIBRATED", "normalized")]))
				</code>
			</metaMaker>
			<dataFunction>
				<setup imports="numpy, os">
					<code>
						from gavo import base
						from gavo.protocols import sdm
					</code>
				</setup>
				<code>
					wanted = (args.get("FLUXCALIB") or "").lower()
					table = descriptor.data.getPrimaryTable()
					if wanted=="relative":
						sdm.mangle_fluxcalib(table, wanted)
					elif wanted=="normalized":
						stem = os.path.splitext(descriptor.ssaRow["accref"])[0]
						flux = numpy.load(os.path.join(base.getConfig("inputsDir"), stem+".npy"))[2]
						for row, value in zip(table.rows, flux.tolist()):
							row["flux"] = value
						table.tableDef = table.tableDef.copy(table.tableDef.parent)
						table.tableDef.getColumnByName("flux").unit = ""
				</code>
			</dataFunction>
			<FEED source="//soda#sdm_cutout"/>
			<FEED source="//soda#sdm_format"/>
		</datalinkCore>
	</service>

	<service id="ssa" allowed="ssap.xml,form">
		<meta name="title">Made-up spectra: SSAP</meta>
		<meta name="shortName">ccd700 ssap</meta>
		<meta name="ssap.dataSource">pointed</meta>
		<meta name="ssap.creationType">archival</meta>
		<meta name="ssap.testQuery">MAXREC=1</meta>
		<publish render="ssap.xml" sets="local"/>
		<ssapCore queriedTable="data">
			<property key="previews">auto</property>
			<FEED source="//ssap#hcd_condDescs"/>
		</ssapCore>
	</service>
</resource>
