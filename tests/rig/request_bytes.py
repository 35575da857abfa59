"""Requests to the collector as the bytes on the wire."""

HOST = b"Host: h\r\n"
ORIGIN = b"Origin: https://shop.example\r\n"
TP2 = b"/com.snowplowanalytics.snowplow/tp2"


def post(body: bytes, path: bytes = TP2, headers: bytes = b"") -> bytes:
    return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n%s\r\n%s" % (path, HOST, len(body), headers, body)


def get(target: bytes = b"/i", headers: bytes = b"") -> bytes:
    return b"GET %s HTTP/1.1\r\n%s%s\r\n" % (target, HOST, headers)
