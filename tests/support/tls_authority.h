// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace tests {

/// A certificate and its key, PEM.
struct Certificate {
  std::string certificate;
  std::string key;
};

/// A certificate authority that lives as long as the test. Aborts when OpenSSL refuses.
class TlsAuthority {
 public:
  enum class Validity { kCurrent, kExpired };

  TlsAuthority();

  /// The authority's own certificate, PEM; what a client has to trust.
  const std::string& certificate() const { return pem_; }

  /// A server certificate for `host`, a name or an address.
  Certificate Issue(const std::string& host, Validity validity = Validity::kCurrent) const;
  /// The same with an empty subject: only the alternative name says whose it is.
  Certificate IssueWithoutSubject(const std::string& host) const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Cert = std::unique_ptr<X509, Free>;

  static Key MakeKey();
  Certificate Finish(const Key& key, const Cert& cert, const std::string& host) const;
  static Cert MakeCert(const std::string& name, EVP_PKEY* subject_key, Validity validity);

  Key key_;
  Cert cert_;
  std::string pem_;
};

}  // namespace tests
