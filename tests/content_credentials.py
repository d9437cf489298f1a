"""Pictures with content credentials (C2PA), signed by an authority that is made for the test."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SIGNER = "Test Camera Works"
KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Authority:
    """A root, and a signer below it; all in PEM."""

    chain: bytes
    key: bytes
    root: bytes


@cache
def authority(life: timedelta = timedelta(days=365)) -> Authority:
    """One whose certificates end after that long."""
    now = datetime.now(UTC)
    start, end = now - timedelta(days=1), now + life
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, name = _name("Test Root", "Test Root CA"), _name(SIGNER, "Camera 5")
    root = (
        _builder(root_name, root_name, root_key, start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _builder(name, root_name, key, start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False
        )
        .sign(root_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Authority(_pem(leaf) + _pem(root), secret, _pem(root))


def signed(
    picture: bytes,
    media_type: str = "image/jpeg",
    *,
    source_type: str = "trainedAlgorithmicMedia",
    by: Authority | None = None,
) -> bytes:
    """The picture with credentials that say how it came about."""
    by = by or authority()
    info = c2pa.C2paSignerInfo(b"es256", by.chain, by.key, None)
    output = io.BytesIO()
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(_definition(source_type)) as builder:
        builder.sign(signer, media_type, io.BytesIO(picture), output)
    return output.getvalue()


def tampered(signed_jpeg: bytes) -> bytes:
    """One byte of the picture's data moved, none of the credentials'."""
    at = len(signed_jpeg) - 500
    return signed_jpeg[:at] + bytes([signed_jpeg[at] ^ 1]) + signed_jpeg[at + 1 :]


def _definition(source_type: str) -> dict[str, Any]:
    actions = [
        {
            "action": "c2pa.created",
            "digitalSourceType": SOURCE_TYPE + source_type,
            "softwareAgent": {"name": "<b>Imaginer</b>", "version": "2"},
        },
        {"action": "c2pa.color_adjustments"},
    ]
    return {
        "claim_generator_info": [{"name": "Test Maker", "version": "1.0"}],
        "title": "A picture",
        "assertions": [{"label": "c2pa.actions", "data": {"actions": actions}}],
    }


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in allowed for usage in KEY_USAGES})


def _name(organisation: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
