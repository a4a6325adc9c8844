/** What a result says of its source and of the network, as the command's results do. */

import { readMetadata, textOfResult, type Metadata } from "./containers";
import { orientationOfExif, uprightExif } from "./exif";
import { resourcesOfResult } from "./iptc";
import { type AiLabel, orientationOfXmp, xmpOfResult } from "./xmp";

/** height, width: of the upright picture. */
export async function metadataOfResult(source: Blob, label: AiLabel, height: number, width: number): Promise<Metadata> {
  const { exif, xmp, resources, comment, text, dpi } = await readMetadata(new Uint8Array(await source.arrayBuffer()));
  const orientation = (exif && orientationOfExif(exif)) ?? (xmp === null ? 1 : orientationOfXmp(xmp));
  return {
    exif: exif && uprightExif(exif, height, width),
    xmp: xmpOfResult(xmp, label, orientation, height, width),
    resources: resources && resourcesOfResult(resources),
    comment,
    text: textOfResult(text),
    dpi: dpi && orientation >= 5 ? [dpi[1], dpi[0]] : dpi,
  };
}
