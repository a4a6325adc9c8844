/** A colour table on the graphics processor: WebGL2, with the table as a 3-D texture. */

import type { Lut } from "./colour";

const VERTICES = `#version 300 es
void main() {
  gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}`;

// Trilinear by hand: what graphics processors do themselves has 8 bits between two points.
const FRAGMENTS = `#version 300 es
precision highp float;
precision highp sampler2D;
precision highp sampler3D;
uniform sampler2D picture;
uniform sampler3D table;
uniform float strength;
out vec4 result;

vec3 at(ivec3 low, int r, int g, int b) {
  return texelFetch(table, low.bgr + ivec3(b, g, r), 0).rgb;
}

void main() {
  vec4 pixel = texelFetch(picture, ivec2(gl_FragCoord.xy), 0);
  int points = textureSize(table, 0).x;
  vec3 place = pixel.rgb * float(points - 1);
  ivec3 low = min(ivec3(place), points - 2);
  vec3 past = place - vec3(low);
  vec3 front = mix(mix(at(low, 0, 0, 0), at(low, 1, 0, 0), past.r), mix(at(low, 0, 0, 1), at(low, 1, 0, 1), past.r), past.b);
  vec3 back = mix(mix(at(low, 0, 1, 0), at(low, 1, 1, 0), past.r), mix(at(low, 0, 1, 1), at(low, 1, 1, 1), past.r), past.b);
  vec3 tabled = floor(mix(front, back, past.g) * 255.0 + 0.5) / 255.0;
  result = vec4(mix(pixel.rgb, tabled, strength), pixel.a);
}`;

export class ColourOnGpu {
  private table: Lut | null = null;

  private constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly strength: WebGLUniformLocation,
    private readonly mostSide: number,
  ) {}

  /** Null without WebGL2. In software it is slower than the loop that it stands for, and so not taken unless allowed. */
  static open(allowSoftware = false): ColourOnGpu | null {
    const canvas = new OffscreenCanvas(1, 1);
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, failIfMajorPerformanceCaveat: !allowSoftware });
    if (!gl) return null;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTICES], [gl.FRAGMENT_SHADER, FRAGMENTS]] as const) {
      const shader = gl.createShader(kind)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
    gl.useProgram(program);
    const [picture, result, table] = [0, 1, 2].map(() => gl.createTexture());
    for (const [unit, kind, texture] of [[2, gl.TEXTURE_2D, result], [1, gl.TEXTURE_3D, table], [0, gl.TEXTURE_2D, picture]] as const) {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(kind, texture);
      gl.texParameteri(kind, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
      gl.texParameteri(kind, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    }
    gl.uniform1i(gl.getUniformLocation(program, "picture"), 0);
    gl.uniform1i(gl.getUniformLocation(program, "table"), 1);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, result, 0);
    return new ColourOnGpu(gl, gl.getUniformLocation(program, "strength")!, gl.getParameter(gl.MAX_TEXTURE_SIZE));
  }

  /** Rows (RGBA, `width` px each) in the table's colours, over themselves. False where it can't: they are as they were. */
  apply(lut: Lut, rows: Uint8ClampedArray, width: number, strength: number): boolean {
    const { gl } = this;
    const height = rows.length / (4 * width);
    if (Math.max(width, height) > this.mostSide || gl.isContextLost()) return false;
    if (this.table !== lut) this.load(lut);
    for (const [unit, pixels] of [[2, null], [0, rows]] as const) {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    }
    gl.viewport(0, 0, width, height);
    gl.uniform1f(this.strength, strength);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    if (gl.getError() !== gl.NO_ERROR) return false;
    const result = new Uint8ClampedArray(rows.length);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, result);
    if (gl.getError() !== gl.NO_ERROR || gl.isContextLost()) return false;
    rows.set(result);
    return true;
  }

  private load(lut: Lut): void {
    const { gl } = this;
    const { points } = lut;
    const data = new Float32Array(4 * points ** 3);
    for (let k = 0; k < points ** 3; k++) {
      for (let c = 0; c < 3; c++) data[4 * k + c] = Math.min(1, Math.max(0, lut.data[3 * k + c]));
    }
    gl.activeTexture(gl.TEXTURE1);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RGBA32F, points, points, points, 0, gl.RGBA, gl.FLOAT, data);
    this.table = lut;
  }
}
