// SPDX-License-Identifier: Apache-2.0
#include "common/net/tls_server.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/log.h"
#include "common/strings.h"

namespace common::net {
namespace {

namespace ssl = boost::asio::ssl;

Result<std::string> ReadFile(const char* what, const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || !text) {
    const int error = errno;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} {}: {}", what, path,
                            error == 0 ? "the file is empty" : std::strerror(error)));
  }
  return std::move(text).str();
}

/// SHA-256: what is compared is kept, and of a private key nothing should be.
std::string DigestOf(const std::string& certificate, const std::string& key) {
  std::string digests(2 * SHA256_DIGEST_LENGTH, '\0');
  auto* out = reinterpret_cast<unsigned char*>(digests.data());
  SHA256(reinterpret_cast<const unsigned char*>(certificate.data()), certificate.size(), out);
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(),
         out + SHA256_DIGEST_LENGTH);
  return digests;
}

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

/// "CN=…,O=…" as RFC 2253 writes it; certificates of today often have only alternative names.
std::string SubjectOf(X509* certificate) {
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  std::string subject(BIO_ctrl_pending(bio.get()), '\0');
  BIO_read(bio.get(), subject.data(), static_cast<int>(subject.size()));
  if (!subject.empty()) return subject;
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const ASN1_STRING* text = name->d.dNSName;
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(ASN1_STRING_length(text))};
  }
  return "";
}

WallTime NotAfter(const X509* certificate) {
  std::tm parts{};
  ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts);
  return std::chrono::time_point_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::from_time_t(timegm(&parts)));
}

}  // namespace

ServerCertificate::ServerCertificate(std::string certificate_file, std::string key_file,
                                     const Clock& clock)
    : certificate_file_(std::move(certificate_file)),
      key_file_(std::move(key_file)),
      clock_(clock) {}

Result<std::unique_ptr<ServerCertificate>> ServerCertificate::Load(std::string certificate_file,
                                                                   std::string key_file,
                                                                   const Clock& clock) {
  std::unique_ptr<ServerCertificate> made(
      new ServerCertificate(std::move(certificate_file), std::move(key_file), clock));
  const Result<Pair> pair = made->Read();
  if (!pair) return tl::unexpected(pair.error());
  Result<Loaded> loaded = made->Use(*pair);
  if (!loaded) return tl::unexpected(loaded.error());
  made->WarnWhenExpired(loaded->state);
  made->in_use_ = DigestOf(pair->certificate, pair->key);
  made->loaded_.With([&](Loaded& in_use) { in_use = *std::move(loaded); });
  return made;
}

Result<ServerCertificate::Pair> ServerCertificate::Read() const {
  auto certificate = ReadFile("certificate", certificate_file_);
  if (!certificate) return tl::unexpected(certificate.error());
  auto key = ReadFile("private key", key_file_);
  if (!key) return tl::unexpected(key.error());
  return Pair{*std::move(certificate), *std::move(key)};
}

Result<ServerCertificate::Loaded> ServerCertificate::Use(const Pair& pair) const {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  boost::system::error_code error;
  const auto bad = [&](const char* what, const std::string& path, const std::string& why) {
    ERR_clear_error();
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} {}: {}", what, path, why));
  };
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                           ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                           ssl::context::no_tlsv1_1,
                       error);
  // Clients resume with tickets, which cost nothing here. Their keys belong to the context:
  // one of an older certificate opens none of a newer one.
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  context->use_certificate_chain(boost::asio::buffer(pair.certificate), error);
  if (error) {
    return bad("certificate", certificate_file_, "it is no PEM certificate: " + error.message());
  }
  // Without this, OpenSSL would ask for the passphrase on the terminal.
  context->set_password_callback([](std::size_t, ssl::context::password_purpose) { return ""; },
                                 error);
  context->use_private_key(boost::asio::buffer(pair.key), ssl::context::pem, error);
  if (error) {
    return bad("private key", key_file_,
               fmt::format("it is not the PEM key, without passphrase, of certificate {}: {}",
                           certificate_file_, error.message()));
  }
  // A key of another kind than the certificate's would be taken without a word.
  if (SSL_CTX_check_private_key(native) != 1) {
    return bad("private key", key_file_, "it is of another kind than " + certificate_file_);
  }
  X509* certificate = SSL_CTX_get0_certificate(native);
  return Loaded{std::move(context),
                {.subject = SubjectOf(certificate), .not_after = NotAfter(certificate)}};
}

void ServerCertificate::WarnWhenExpired(const State& state) const {
  if (state.not_after > clock_.Wall()) return;
  log::Warning("certificate_expired", "the certificate in use has expired; clients refuse it",
               {{"file", certificate_file_},
                {"subject", state.subject},
                {"not_after", FormatTimestamp(state.not_after)}});
}

void ServerCertificate::Refuse(const std::string& problem) {
  const bool known = loaded_.With(
      [&](Loaded& in_use) { return std::exchange(in_use.state.problem, problem) == problem; });
  if (known) return;
  log::Error("certificate_refused", "the new certificate cannot be used; the old one stays",
             {{"error", problem}});
}

void ServerCertificate::Check() {
  const Result<Pair> pair = Read();
  if (!pair) return Refuse(pair.error().message);
  std::string digest = DigestOf(pair->certificate, pair->key);
  if (digest == in_use_) {
    return loaded_.With([](Loaded& in_use) { in_use.state.problem.clear(); });
  }
  Result<Loaded> fresh = Use(*pair);
  if (!fresh) return Refuse(fresh.error().message);
  in_use_ = std::move(digest);
  const State now = loaded_.With([&](Loaded& in_use) {
    fresh->state.reloads = in_use.state.reloads + 1;
    in_use = *std::move(fresh);
    return in_use.state;
  });
  log::Info("certificate_reloaded", "new connections get the new certificate",
            {{"file", certificate_file_},
             {"subject", now.subject},
             {"not_after", FormatTimestamp(now.not_after)}});
  WarnWhenExpired(now);
}

std::shared_ptr<ssl::context> ServerCertificate::Current() const {
  return loaded_.With([](const Loaded& in_use) { return in_use.context; });
}

ServerCertificate::State ServerCertificate::state() const {
  return loaded_.With([](const Loaded& in_use) { return in_use.state; });
}

}  // namespace common::net
