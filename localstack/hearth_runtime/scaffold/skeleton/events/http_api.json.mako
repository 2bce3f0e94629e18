<%
route = path + "/length" if http else path
query = "text=some+text" if http else ""
key = "ANY " + path + ("/{proxy+}" if http else "")
%>\
{
  "version": "2.0",
  "routeKey": "${key}",
  "rawPath": "${route}",
  "rawQueryString": "${query}",
  "headers": {
    "accept": "application/json",
    "authorization": "Bearer EXAMPLE",
    "host": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
    "user-agent": "python-httpx/0.28.1",
    "x-forwarded-for": "192.0.2.10",
    "x-forwarded-port": "443",
    "x-forwarded-proto": "https"
  },
  "requestContext": {
    "accountId": "123456789012",
    "apiId": "a1b2c3d4e5",
    "authorizer": {
      "lambda": {
        "principal_id": "01KAJQ6T1M0PERAT0R0000USER",
        "kind": "api_key",
        "role": "user",
        "permissions": "${slug}:read${' %s:write' % slug if resource else ''}",
        "credential_id": "01KAJQ6T1MKEY00000000000KE"
      }
    },
    "domainName": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
    "domainPrefix": "a1b2c3d4e5",
    "http": {
      "method": "GET",
      "path": "${route}",
      "protocol": "HTTP/1.1",
      "sourceIp": "192.0.2.10",
      "userAgent": "python-httpx/0.28.1"
    },
    "requestId": "JKJaXmPLvHcESHA=",
    "routeKey": "${key}",
    "stage": "$default",
    "time": "21/Nov/2026:09:00:00 +0000",
    "timeEpoch": 1795251600000
  },
% if http:
  "pathParameters": { "proxy": "length" },
% endif
  "isBase64Encoded": false
}
