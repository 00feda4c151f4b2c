{{- define "shop.api" -}}
{{ .Values.api.image }}:{{ .Values.api.tag }}
{{- end }}
