// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tls_authority.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>

namespace tests {
namespace {

constexpr long kDay = 24 * 60 * 60;

void Must(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "TlsAuthority: %s failed\n", what);
  std::abort();
}

std::string Pem(const std::function<int(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  Must(bio != nullptr && write(bio) == 1, "writing PEM");
  std::string text(BIO_ctrl_pending(bio), '\0');
  Must(BIO_read(bio, text.data(), static_cast<int>(text.size())) > 0, "reading PEM back");
  BIO_free(bio);
  return text;
}

void AddExtension(X509* cert, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  Must(extension != nullptr && X509_add_ext(cert, extension, -1) == 1, value.c_str());
  X509_EXTENSION_free(extension);
}

}  // namespace

TlsAuthority::TlsAuthority()
    : key_(MakeKey()), cert_(MakeCert("Test authority", key_.get(), Validity::kCurrent)) {
  X509_set_issuer_name(cert_.get(), X509_get_subject_name(cert_.get()));
  AddExtension(cert_.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(cert_.get(), NID_key_usage, "critical,keyCertSign");
  Must(X509_sign(cert_.get(), key_.get(), EVP_sha256()) > 0, "signing");
  pem_ = Pem([this](BIO* bio) { return PEM_write_bio_X509(bio, cert_.get()); });
}

Certificate TlsAuthority::Issue(const std::string& host, Validity validity) const {
  const Key key = MakeKey();
  return Finish(key, MakeCert("A server", key.get(), validity), host);
}

Certificate TlsAuthority::IssueWithoutSubject(const std::string& host) const {
  const Key key = MakeKey();
  const Cert cert = MakeCert("", key.get(), Validity::kCurrent);
  X509_NAME_ENTRY_free(X509_NAME_delete_entry(X509_get_subject_name(cert.get()), 0));
  return Finish(key, cert, host);
}

Certificate TlsAuthority::Finish(const Key& key, const Cert& cert, const std::string& host) const {
  X509_set_issuer_name(cert.get(), X509_get_subject_name(cert_.get()));
  boost::system::error_code not_address;
  boost::asio::ip::make_address(host, not_address);
  AddExtension(cert.get(), NID_subject_alt_name, (not_address ? "DNS:" : "IP:") + host);
  Must(X509_sign(cert.get(), key_.get(), EVP_sha256()) > 0, "signing");
  return {Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, cert.get()); }), Pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

TlsAuthority::Key TlsAuthority::MakeKey() {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  Must(key != nullptr, "making a key");
  return key;
}

TlsAuthority::Cert TlsAuthority::MakeCert(const std::string& name, EVP_PKEY* subject_key,
                                          Validity validity) {
  Cert cert(X509_new());
  Must(cert != nullptr && X509_set_version(cert.get(), X509_VERSION_3) == 1, "making one");
  std::uint64_t serial = 0;
  unsigned char bytes[7];
  Must(RAND_bytes(bytes, sizeof(bytes)) == 1, "RAND_bytes");
  for (const unsigned char byte : bytes) serial = serial << 8 | byte;
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), serial);
  const bool expired = validity == Validity::kExpired;
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), expired ? -kDay : kDay);
  std::string common_name = name + " " + std::to_string(serial);
  X509_NAME_add_entry_by_NID(X509_get_subject_name(cert.get()), NID_commonName, MBSTRING_UTF8,
                             reinterpret_cast<unsigned char*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
  Must(X509_set_pubkey(cert.get(), subject_key) == 1, "setting the key");
  return cert;
}

}  // namespace tests
